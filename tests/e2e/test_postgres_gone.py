"""PostgreSQL is away for a while: requests are refused, webhooks get 503, and every run ends afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from demo.fake_comfydeploy.faults import Faults
from tests.chaos.database import Postgres, opened
from tests.e2e.bot_process import OPEN, BotProcess, bot_process
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
async def behind_a_door(folder: Path) -> AsyncIterator[tuple[BotProcess, Postgres, Door]]:
    async with opened("postgres", folder) as database:
        assert isinstance(database, Postgres)
        (directory,) = parse_qs(urlsplit(database.direct).query)["host"]
        door = Door(Path(directory) / ".s.PGSQL.5432")
        server = await asyncio.start_server(door.enter, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres"
        try:
            async with bot_process(folder, DATABASE_URL=url) as home:
                yield home, database, door
        finally:
            door.shut()
            server.close()


async def settled(home: BotProcess, database: Postgres, runs: int) -> None:
    async with asyncio.timeout(90):
        while True:
            accepted = (await database.rows("SELECT count(*) AS count FROM runs"))[0]["count"]
            if accepted >= runs and not any(r["left_open"] for r in await database.rows(OPEN)):
                return
            await asyncio.sleep(0.1)


async def test_a_database_that_is_gone_for_a_while_loses_nothing(tmp_path: Path) -> None:
    async with behind_a_door(tmp_path) as (home, database, door):
        await home.run_under_way()
        door.shut()
        await refused(home)
        assert await webhook(home, "failed") == 503
        assert await database.rows("SELECT state FROM runs") == [{"state": "running"}]
        home.comfydeploy.faults = Faults()
        home.comfydeploy.release()
        await home.until(lambda: 503 in {w.answer for w in home.comfydeploy.call_log.webhook_attempts})
        door.is_open = True
        await home.ask()
        await settled(home, database, runs=2)
        keys = [row["key"] for row in await database.rows("SELECT key FROM runs")]
        assert [len(home.outcomes(key)) for key in keys] == [1, 1], home.log
        assert len(home.comfydeploy.call_log.queue_calls) == 2
        assert not home.leftovers()
