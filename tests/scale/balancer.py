"""A TCP load balancer in front of the web processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress


class Balancer:
    """Forwards each connection to the next port that accepts it, round-robin."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self.refused = 0
        """Number of connections that no port accepted."""

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await self._connect()
        if inner is None:
            self.refused += 1
            writer.transport.abort()
            return
        inner_reader, inner_writer = inner
        await asyncio.gather(_carry(reader, inner_writer), _carry(inner_reader, writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self._ports:
            self._ports.append(self._ports.pop(0))
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self._ports[-1])
        return None


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def balancing(ports: Sequence[int]) -> AsyncIterator[tuple[Balancer, int]]:
    """Start a balancer; yield it and its port."""
    balancer = Balancer(ports)
    server = await asyncio.start_server(balancer.enter, "127.0.0.1", 0)
    try:
        yield balancer, server.sockets[0].getsockname()[1]
    finally:
        server.close()
