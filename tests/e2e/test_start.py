"""Configuration errors at the start: one sentence on stderr and an exit code."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from demo.ports import free_port
from tests.chaos.database import opened
from tests.e2e.bot_process import BotProcess, bot_process
from tests.fakediscord.faults import Fault

CONFIGURATION, LATER = 2, 1


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[BotProcess]:
    async with bot_process(tmp_path) as built:
        yield built


async def ends(home: BotProcess, code: int, *words: str, **more: str) -> None:
    """Assert that the start ends with this exit code and one line on stderr that is no log line."""
    said = await home.command(LOG_LEVEL="CRITICAL", **more)
    assert said.code == code, said.err
    assert said.out == ""
    told = said.err.splitlines()
    assert len(told) == 1, said.err
    assert [word for word in words if word not in told[0]] == []


async def test_a_server_that_is_not_there(home: BotProcess) -> None:
    url = f"postgresql+asyncpg://bot:hunter2@127.0.0.1:{free_port()}/bot"
    await ends(home, LATER, "PostgreSQL can't be reached", "DATABASE_URL", DATABASE_URL=url)


async def test_a_server_that_never_answers(home: BotProcess) -> None:
    over = asyncio.Event()
    home.speed = 20

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql+asyncpg://bot:hunter2@127.0.0.1:{port}/bot"
        await ends(home, LATER, "PostgreSQL can't be reached (TimeoutError).", DATABASE_URL=url)
        over.set()


@asynccontextmanager
async def claiming_to_be_12(address: str) -> AsyncIterator[int]:
    """Yield the port of a proxy that makes a real server report version 12."""
    parts = urlsplit(address)
    socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.{parts.port or 5432}"

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            writer.write(re.sub(rb"PostgreSQL \d\d\.", b"PostgreSQL 12.", data))
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, there = await asyncio.open_unix_connection(socket)
        await asyncio.gather(carry(reader, there), carry(back, writer))

    async with await asyncio.start_server(connect, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_server_that_is_too_old(home: BotProcess, tmp_path: Path) -> None:
    async with opened("postgres", tmp_path) as database, claiming_to_be_12(database.url) as port:
        parts = urlsplit(database.url)
        url = f"postgresql+asyncpg://{parts.username}@127.0.0.1:{port}{parts.path}"
        await ends(
            home, CONFIGURATION, "PostgreSQL 12.", "the bot needs 13 or newer", "Upgrade it", DATABASE_URL=url
        )


async def test_a_schema_from_a_later_version(home: BotProcess) -> None:
    await home.start()
    await home.stop()
    home.write("UPDATE alembic_version SET version_num = '9999'")
    await ends(home, CONFIGURATION, "schema 9999", "newer version")


async def test_a_file_that_is_no_database(home: BotProcess) -> None:
    home.database.write_text("a shopping list\n" * 100)
    await ends(home, CONFIGURATION, str(home.database), "not a SQLite database", "DATABASE_URL")
    assert home.database.read_text().startswith("a shopping list")


async def test_a_database_of_another_program(home: BotProcess) -> None:
    home.database.unlink()
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("CREATE TABLE runs (distance REAL)")
    await ends(home, CONFIGURATION, "table runs already exists", "its own database")


@pytest.mark.parametrize("folder", ["/proc/nobody", "/dev/null/data"])
async def test_a_folder_that_cant_be_written(home: BotProcess, folder: str) -> None:
    url = f"sqlite+aiosqlite:///{folder}/bot.db"
    await ends(home, CONFIGURATION, "database can't be opened", folder, "can be written", DATABASE_URL=url)


async def test_a_database_that_is_a_folder(home: BotProcess) -> None:
    home.database.unlink()
    home.database.mkdir()
    await ends(home, CONFIGURATION, "database can't be opened", str(home.database))


async def test_a_port_in_use(home: BotProcess) -> None:
    await home.start()
    url = f"sqlite+aiosqlite:///{home.folder}/other.db"
    await ends(home, CONFIGURATION, f"Port {home.port}", "WEB_PORT", DATABASE_URL=url)


async def test_an_address_of_another_machine(home: BotProcess) -> None:
    await ends(home, CONFIGURATION, "on 203.0.113.9 can't be used", WEB_HOST="203.0.113.9")


async def test_a_role_that_there_is_not(home: BotProcess) -> None:
    await ends(home, CONFIGURATION, "ROLES", "gateway, web, courier, reconcile", ROLES="web,couriers")


async def test_a_token_that_discord_refuses(home: BotProcess) -> None:
    await ends(
        home, CONFIGURATION, "Discord doesn't accept DISCORD_TOKEN", DISCORD_TOKEN="MTIz.no.such-token"
    )


async def test_discord_away(home: BotProcess) -> None:
    home.discord.faults.add("*", Fault.drop_before(), times=None)
    await ends(home, LATER, "Discord can't be reached")


async def test_no_session_start_left(home: BotProcess) -> None:
    home.discord.routes.starts_left = 0
    await ends(home, LATER, "no session start for the next 1441 minutes", "reset the token")
    assert home.discord.gateway.counts["identify"] == 0


async def test_comfydeploy_away_at_the_very_first_start(home: BotProcess) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/api"
    await ends(home, LATER, "No deployment can be offered", "when it answers", COMFYDEPLOY_API_URL=nobody)


async def test_a_key_that_comfydeploy_refuses_at_the_very_first_start(home: BotProcess) -> None:
    await ends(home, CONFIGURATION, "Check COMFYDEPLOY_API_KEY", COMFYDEPLOY_API_KEY="no-such-key-at-all")


async def test_two_servers_on_one_port(home: BotProcess) -> None:
    await ends(home, CONFIGURATION, "METRICS_PORT and WEB_PORT are both", METRICS_PORT=str(home.port))


async def test_a_folder_in_the_place_of_the_deployments(home: BotProcess) -> None:
    await ends(
        home, CONFIGURATION, "is a folder", COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE=str(home.folder)
    )
