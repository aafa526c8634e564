"""A network in memory between the servers and clients of one event loop.

Each transfer takes a millisecond of virtual time; without latency, a retry loop would never let time pass.
Bytes arrive in order, and no writer has to wait.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from tests.simulation.engine.life import Life, current_life

LATENCY = 0.001
_FIRST_PORT = 20_000
_EOF = object()
_RESET = object()


class Address:
    """A stand-in for a server's socket, which libraries ask for its address."""

    def __init__(self, host: str, port: int) -> None:
        self._name = (host, port)

    def getsockname(self) -> tuple[str, int]:
        return self._name


class MemoryServer:
    """A listening server. Its protocols run in the context in which it was opened."""

    def __init__(self, network: Network, factory: Callable[[], Any], host: str, port: int) -> None:
        self._network = network
        self._factory = factory
        self.address = (host, port)
        self.context = copy_context()
        self.life = current_life()
        self.sockets = [Address(host, port)]
        if self.life is not None:
            self.life.resources[self] = None

    def accept(self) -> Any:
        """Return the protocol of a new connection."""
        return self.context.copy().run(self._factory)

    def close(self) -> None:
        self._network.forget(self)
        self.sockets = []
        if self.life is not None:
            self.life.resources.pop(self, None)

    def die(self) -> None:
        self.close()

    async def wait_closed(self) -> None:
        """Return immediately: `close` has already removed the server."""


class MemoryTransport(asyncio.Transport):
    """One end of a connection. Its protocol runs in its owner's context."""

    _peer: MemoryTransport

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: Any,
        context: Context,
        own: tuple[str, int],
        other: tuple[str, int],
    ) -> None:
        super().__init__({"sockname": own, "peername": other})
        self._loop = loop
        self._protocol = protocol
        self._context = context
        self.life: Life | None = context.run(current_life)
        self._closing = self._lost = False
        self._reading = True
        self._unread: deque[Any] = deque()
        self._last_arrival = 0.0
        if self.life is not None:
            self.life.resources[self] = None

    @property
    def _dead(self) -> bool:
        return self.life is not None and self.life.dead

    def join(self, peer: MemoryTransport) -> None:
        """Connect both ends, and call both protocols: this one immediately, as its creator expects."""
        self._peer, peer._peer = peer, self
        self._protocol.connection_made(self)
        self._loop.call_soon(peer._protocol.connection_made, peer, context=peer._context)

    # Calls of the owner.

    def write(self, data: Any) -> None:
        data = bytes(data)
        if not data or self._closing or self._dead:
            return
        self._peer.arrive(data)

    def close(self) -> None:
        self._close(_EOF)

    def abort(self) -> None:
        self._close(_RESET)

    def _close(self, how: object) -> None:
        if self._closing or self._dead:
            return
        self._closing = True
        self._peer.arrive(how)
        self._loop.call_soon(self._lose, None, context=self._context)

    def die(self) -> None:
        """Close the connection as the operating system does for a killed process."""
        if not self._closing:
            self._closing = self._lost = True
            self._peer.arrive(_EOF)

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self._read, context=self._context)

    def get_write_buffer_size(self) -> int:
        return 0

    # Calls of the other end.

    def arrive(self, item: object) -> None:
        """Schedule the arrival of an item after the latency, and after all earlier items."""
        self._last_arrival = max(self._last_arrival, self._loop.time() + LATENCY)
        self._loop.call_at(self._last_arrival, self._receive, item, context=self._context)

    def _receive(self, item: object) -> None:
        self._unread.append(item)
        if self._reading or item is _RESET:
            self._read()

    def _read(self) -> None:
        while self._unread and not self._lost:
            if _RESET in self._unread:
                self._unread.clear()
                self._loop.call_soon(self._lose, ConnectionResetError(), context=self._context)
                return
            if not self._reading:
                return
            item = self._unread.popleft()
            if item is _EOF:
                # In the same iteration, it would overtake the handler that the last bytes wake.
                self._loop.call_soon(self._end_of_file, context=self._context)
                return
            assert isinstance(item, bytes)
            if not self._closing:
                self._protocol.data_received(item)

    def _end_of_file(self) -> None:
        if not self._lost and not self._protocol.eof_received():
            self.close()

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        if self.life is not None:
            self.life.resources.pop(self, None)
        self._protocol.connection_lost(error)


class Network:
    """The listening servers by port, and the connected sockets."""

    def __init__(self) -> None:
        self._servers: dict[int, MemoryServer] = {}
        self._dialled: dict[int, MemoryServer] = {}
        self._next_port = _FIRST_PORT
        self.dialled_hosts: dict[str, None] = {}
        """The hosts to which the bot tried to connect."""

    def listen(self, factory: Callable[[], Any], host: str, port: int) -> MemoryServer:
        """Open a server. Port 0 means any free port. Raises OSError if the port is taken."""
        if port in self._servers:
            raise OSError(errno.EADDRINUSE, "address already in use")
        if not port:
            port, self._next_port = self._next_port, self._next_port + 1
        server = self._servers[port] = MemoryServer(self, factory, host, port)
        return server

    def forget(self, server: MemoryServer) -> None:
        if self._servers.get(server.address[1]) is server:
            del self._servers[server.address[1]]

    def dial(self, fileno: int, port: int) -> None:
        """Connect a socket to the server at a port. Raises ConnectionRefusedError if there is none."""
        server = self._servers.get(port)
        if server is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connection refused")
        self._dialled[fileno] = server

    def open(self, fileno: int, factory: Callable[[], Any]) -> tuple[MemoryTransport, Any]:
        """Create both ends of a dialled connection. Raises ConnectionResetError if the server has closed."""
        server = self._dialled.pop(fileno)
        if self._servers.get(server.address[1]) is not server:
            raise ConnectionResetError(errno.ECONNRESET, "connection reset")
        loop = asyncio.get_running_loop()
        here, there = ("127.0.0.1", self._next_port), server.address
        self._next_port += 1
        protocol = factory()
        near = MemoryTransport(loop, protocol, copy_context(), here, there)
        far = MemoryTransport(loop, server.accept(), server.context.copy(), there, here)
        near.join(far)
        return near, protocol
