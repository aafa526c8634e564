"""Configuration errors at the start: one sentence on stderr and an exit code."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.chaos.database import opened
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.faults import Fault
from tests.ports import free_port
from tests.questions import insert_foreign_table, set_schema_version

CONFIGURATION, LATER = 2, 1
NOBODY = "http://127.0.0.1:{port}/api"
NO_FOLDER = "sqlite:////dev/null/data/bot.db"
POSTGRES = "postgresql://bot:hunter2@127.0.0.1:{port}/bot"


async def ends(home: BotProcess, code: int, sentence: str, **settings: str) -> None:
    """Assert that the start ends with this exit code and one line on stderr that is no log line."""
    # A short grace time, as the other tests have it, would add a warning.
    said = await home.command(LOG_LEVEL="CRITICAL", SUBMIT_GRACE_SECONDS="180", **settings)
    assert (said.code, said.out) == (code, ""), said.err
    (told,) = said.err.splitlines()
    assert re.search(sentence, told), told


# The exit code, the sentence, and the settings; {port} is free, {used} the bot's own.
MISTAKES = [
    (LATER, "PostgreSQL can't be reached.*DATABASE_URL", {"DATABASE_URL": POSTGRES}),
    (CONFIGURATION, "database can't be opened.*/dev/null/data.*can be written", {"DATABASE_URL": NO_FOLDER}),
    (CONFIGURATION, "on 203.0.113.9 can't be used", {"WEB_HOST": "203.0.113.9"}),
    (CONFIGURATION, "METRICS_PORT: must differ from WEB_PORT", {"METRICS_PORT": "{used}"}),
    (
        CONFIGURATION,
        "^ROLES.2.: must be one of gateway, web, messenger",
        {"ROLES": "gateway,currier"},
    ),
    (CONFIGURATION, "^ROLES: splits the bot over several processes, and SQLite", {"ROLES": "messenger"}),
    (CONFIGURATION, "Discord doesn't accept DISCORD_TOKEN", {"DISCORD_TOKEN": "MTIz.no.such-token"}),
    (LATER, "No deployment can be offered.*when it answers", {"COMFYDEPLOY_API_URL": NOBODY}),
    (CONFIGURATION, "Check COMFYDEPLOY_API_KEY", {"COMFYDEPLOY_API_KEY": "no-such-key-at-all"}),
    (
        CONFIGURATION,
        "can't be read: Is a directory",
        {"COMFYDEPLOY_DEPLOYMENT_ID": "", "DEPLOYMENTS_FILE": "."},
    ),
]


@pytest.mark.parametrize(("code", "sentence", "settings"), MISTAKES, ids=[row[1] for row in MISTAKES])
async def test_a_mistake_in_the_settings(
    home: BotProcess, code: int, sentence: str, settings: dict[str, str]
) -> None:
    filled = {name: text.format(port=free_port(), used=home.port) for name, text in settings.items()}
    await ends(home, code, sentence, **filled)


async def test_a_database_server_that_never_answers(home: BotProcess) -> None:
    over = asyncio.Event()
    home.speed = 20

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        url = POSTGRES.format(port=server.sockets[0].getsockname()[1])
        await ends(home, LATER, r"PostgreSQL can't be reached \(TimeoutError\).", DATABASE_URL=url)
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
        url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
        sentence = r"PostgreSQL 12\..*the bot needs 13 or newer.*Upgrade it"
        await ends(home, CONFIGURATION, sentence, DATABASE_URL=url)


async def test_a_database_that_the_bot_can_not_use(home: BotProcess) -> None:
    await set_schema_version(home.database, "v9_0001")
    await ends(home, CONFIGURATION, "schema v9_0001.*Start the version that made it")
    home.database_file.write_text("a shopping list\n" * 100)
    await ends(home, CONFIGURATION, f"{home.database_file}.*not a SQLite database.*DATABASE_URL")
    assert home.database_file.read_text().startswith("a shopping list")
    home.database_file.unlink()
    await insert_foreign_table(home.database)
    await ends(home, CONFIGURATION, "table runs already exists.*its own database")
    home.database_file.unlink()
    home.database_file.mkdir()
    await ends(home, CONFIGURATION, f"database can't be opened.*{home.database_file}")


async def test_ports_in_use(home: BotProcess) -> None:
    await home.start()
    url = f"sqlite:///{home.folder}/other.db"
    await ends(home, CONFIGURATION, f"Port {home.port}.*WEB_PORT", DATABASE_URL=url)
    taken = home.comfydeploy.url.rpartition(":")[2].partition("/")[0]
    sentence = f"Port {taken} on 127.0.0.1 can't be used.*set METRICS_PORT to another"
    more = {"WEB_PORT": str(free_port()), "METRICS_PORT": taken}
    await ends(home, CONFIGURATION, sentence, DATABASE_URL=url, **more)


async def test_discord_away(home: BotProcess) -> None:
    home.discord.faults.add("*", Fault.drop_before(), times=None)
    await ends(home, LATER, "Discord can't be reached")


async def test_no_session_start_left(home: BotProcess) -> None:
    home.discord.routes.starts_left = 0
    await ends(home, LATER, "no session start for the next 1441 minutes.*reset the token")
    assert home.discord.gateway.counts["identify"] == 0
