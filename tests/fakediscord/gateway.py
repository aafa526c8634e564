"""The fake Discord's gateway, with sessions that can be resumed, shards and zlib-stream compression."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from tests.fakediscord.errors import Json

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, INVALID, HELLO, ACK = 0, 1, 2, 6, 9, 10, 11
# The intents for members, presences and message content, which the application doesn't have.
PRIVILEGED = 1 << 1 | 1 << 8 | 1 << 15
_BACKLOG = 2000
_RESUMABLE_SECONDS = 60.0


class Connection:
    """A websocket. A separate task writes to it, so that dispatching never waits for a slow client."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, *, compress: bool) -> None:
        self._request = request
        self.socket = socket
        self._zlib = zlib.compressobj() if compress else None
        self._queue: asyncio.Queue[Json] = asyncio.Queue()

    def send(self, op: int, data: object = None, *, event: str | None = None, seq: int | None = None) -> None:
        self._queue.put_nowait({"op": op, "d": data, "t": event, "s": seq})

    async def write(self) -> None:
        while True:
            text = json.dumps(await self._queue.get(), separators=(",", ":"))
            if self._zlib is None:
                await self.socket.send_str(text)
            else:
                packed = self._zlib.compress(text.encode()) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
                await self.socket.send_bytes(packed)

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()


@dataclass(eq=False, slots=True)
class Session:
    id: str
    shard: tuple[int, int]
    intents: int
    connection: Connection | None
    seq: int = 0
    lost_at: float | None = None
    backlog: deque[tuple[int, str, Json]] = field(default_factory=lambda: deque(maxlen=_BACKLOG))

    def dispatch(self, event: str, data: Json) -> None:
        self.seq += 1
        self.backlog.append((self.seq, event, data))
        if self.connection is not None:
            self.connection.send(DISPATCH, data, event=event, seq=self.seq)

    def serves(self, guild_id: int | None) -> bool:
        """Return whether the session gets events of a guild or, on shard 0, of direct messages (None)."""
        number, count = self.shard
        return number == (0 if guild_id is None else (guild_id >> 22) % count)


Greeting = Callable[[Session], Iterable[tuple[str, Json]]]


class Gateway:
    """The gateway. `greet` returns the first events of a session, READY and GUILD_CREATEs."""

    def __init__(self, token: str, greet: Greeting, changed: Callable[[], None]) -> None:
        self._token = token
        self._greet = greet
        self._changed = changed
        self.sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        self.identified = 0
        """How many times IDENTIFY was accepted."""

    @property
    def live(self) -> list[Session]:
        return [s for s in self.sessions.values() if s.connection is not None]

    def dispatch(self, event: str, data: Json, *, guild_id: int | None = None, intents: int = 0) -> int:
        """Send an event to the guild's sessions that have `intents`; return the number of connected ones."""
        self._forget_lost()
        reached = 0
        for session in self.sessions.values():
            if session.serves(guild_id) and (not intents or session.intents & intents):
                session.dispatch(event, data)
                reached += session.connection is not None
        return reached

    def drop(self, *, resumable: bool = True) -> None:
        """Abort every connection. Unless `resumable`, end the sessions, too, so that RESUME is refused."""
        if not resumable:
            self.sessions.clear()
        for connection in list(self.connections):
            connection.abort()

    async def close(self, code: int) -> None:
        """Close every connection with a close code of the gateway, such as 4000, after which RESUME works."""
        for connection in list(self.connections):
            await connection.socket.close(code=code)

    def _forget_lost(self) -> None:
        now = time.monotonic()
        for session in list(self.sessions.values()):
            if session.lost_at is not None and now - session.lost_at > _RESUMABLE_SECONDS:
                del self.sessions[session.id]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=0, autoping=True)
        await socket.prepare(request)
        connection = Connection(request, socket, compress=request.query.get("compress") == "zlib-stream")
        self.connections.add(connection)
        writer = asyncio.create_task(connection.write())
        try:
            connection.send(HELLO, {"heartbeat_interval": 41_250, "_trace": []})
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                code = self._receive(connection, message.data)
                if code is not None:
                    await socket.close(code=code)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._lost(connection, ended=socket.close_code in (1000, 1001))
        return socket

    def _lost(self, connection: Connection, *, ended: bool) -> None:
        """Forget a connection. Its session stays resumable unless the client `ended` it by 1000 or 1001."""
        self.connections.discard(connection)
        for session in self.live:
            if session.connection is connection:
                session.connection, session.lost_at = None, time.monotonic()
                if ended:
                    self.sessions.pop(session.id, None)
        self._changed()

    def _receive(self, connection: Connection, text: str) -> int | None:
        """Handle a message of the client; return a close code, or None to continue."""
        message = json.loads(text)
        op, data = message["op"], message.get("d")
        if op == HEARTBEAT:
            connection.send(ACK)
            return None
        if op == IDENTIFY:
            return self._identify(connection, data)
        if op == RESUME:
            self._resume(connection, data)
        return None

    def _identify(self, connection: Connection, data: Json) -> int | None:
        number, count = data.get("shard") or (0, 1)
        if data["token"].removeprefix("Bot ") != self._token:
            return 4004
        if data["intents"] & PRIVILEGED:
            return 4014
        self.identified += 1
        session = Session(secrets.token_hex(16), (number, count), data["intents"], connection)
        self.sessions[session.id] = session
        for event, body in self._greet(session):
            session.dispatch(event, body)
        self._changed()
        return None

    def _resume(self, connection: Connection, data: Json) -> None:
        self._forget_lost()
        session = self.sessions.get(str(data["session_id"]))
        seq = data.get("seq") or 0
        if session is None or (session.backlog and session.backlog[0][0] > seq + 1):
            connection.send(INVALID, False)
            return
        session.connection, session.lost_at = connection, None
        for number, event, body in session.backlog:
            if number > seq:
                connection.send(DISPATCH, body, event=event, seq=number)
        session.dispatch("RESUMED", {"_trace": []})
        self._changed()
