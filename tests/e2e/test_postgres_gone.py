"""PostgreSQL is away for a while: requests are refused, webhooks get 503, and every run ends afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from demo.fake_comfydeploy.faults import Faults
from tests.chaos.database import opened
from tests.databases import Database
from tests.e2e.bot_process import BotProcess, bot_process
from tests.e2e.refusals import refused, webhook


class Door:
    """A proxy of PostgreSQL's socket that can be closed together with its open connections."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._writers: set[asyncio.StreamWriter] = set()
        self.is_open = True

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_open:
            writer.transport.abort()
            return
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(self._socket))
        mine = {writer, inner_writer}
        self._writers |= mine
        await asyncio.gather(_carry(reader, inner_writer), _carry(inner_reader, writer))
        self._writers -= mine

    def shut(self) -> None:
        self.is_open = False
        for writer in self._writers:
            writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


@asynccontextmanager
async def behind_a_door(folder: Path) -> AsyncIterator[tuple[BotProcess, Door]]:
    async with opened("postgres", folder) as database:
        (directory,) = parse_qs(urlsplit(database.direct).query)["host"]
        door = Door(Path(directory) / ".s.PGSQL.5432")
        server = await asyncio.start_server(door.enter, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        behind = Database(url, direct=database.direct)
        try:
            async with bot_process(folder, database=behind) as home:
                yield home, door
        finally:
            await behind.close()
            door.shut()
            server.close()


async def test_a_database_that_is_gone_for_a_while_loses_nothing(tmp_path: Path) -> None:
    async with behind_a_door(tmp_path) as (home, door):
        await home.run_under_way()
        door.shut()
        await refused(home)
        assert await webhook(home, "failed") == 503
        assert await home.states() == ["running"]
        home.comfydeploy.faults = Faults()
        home.comfydeploy.release()
        await home.until(lambda: 503 in {w.answer for w in home.comfydeploy.call_log.webhook_attempts})
        door.is_open = True
        await home.ask()
        await home.settled(runs=2)
        await home.check_outcomes(calls=2)
        assert len(await home.keys()) == len(home.comfydeploy.call_log.queue_calls) == 2
