"""Starts that fail: one sentence on stderr and an exit code."""

from __future__ import annotations

import re

import pytest

from tests.e2e.bot_process import BotProcess
from tests.fakediscord.faults import Fault
from tests.ports import free_port

CONFIGURATION, LATER = 2, 1
NOBODY = "http://127.0.0.1:{port}/api"
POSTGRES = "postgresql://bot:hunter2@127.0.0.1:{port}/bot"


async def ends(home: BotProcess, code: int, sentence: str, **settings: str) -> None:
    """Assert that the start ends with this exit code and one line on stderr that is no log line."""
    # A short grace time, as the other tests have it, would add a warning.
    said = await home.command(LOG_LEVEL="CRITICAL", SUBMIT_GRACE_SECONDS="180", **settings)
    assert (said.code, said.out) == (code, ""), said.err
    (told,) = said.err.splitlines()
    assert re.search(sentence, told), told


# The exit code, the sentence, and the settings; nobody listens on {port}.
MISTAKES = [
    (LATER, "PostgreSQL can't be reached.*DATABASE_URL", {"DATABASE_URL": POSTGRES}),
    (CONFIGURATION, "on 203.0.113.9 can't be used", {"WEB_HOST": "203.0.113.9"}),
    (CONFIGURATION, "^ROLES: splits the bot over several processes, and SQLite", {"ROLES": "messenger"}),
    (CONFIGURATION, "Discord doesn't accept DISCORD_TOKEN", {"DISCORD_TOKEN": "MTIz.no.such-token"}),
    (LATER, "No deployment can be offered.*when it answers", {"COMFYDEPLOY_API_URL": NOBODY}),
    (CONFIGURATION, "Check COMFYDEPLOY_API_KEY", {"COMFYDEPLOY_API_KEY": "no-such-key-at-all"}),
]


@pytest.mark.parametrize(("code", "sentence", "settings"), MISTAKES, ids=[row[1] for row in MISTAKES])
async def test_a_mistake_in_the_settings(
    home: BotProcess, code: int, sentence: str, settings: dict[str, str]
) -> None:
    await ends(
        home, code, sentence, **{name: text.format(port=free_port()) for name, text in settings.items()}
    )


async def test_a_file_that_is_no_database(home: BotProcess) -> None:
    home.database_file.write_text("a shopping list\n" * 100)
    await ends(home, CONFIGURATION, f"{home.database_file}.*not a SQLite database.*DATABASE_URL")
    assert home.database_file.read_text().startswith("a shopping list")


async def test_ports_in_use(home: BotProcess) -> None:
    taken = home.comfydeploy.url.rpartition(":")[2].partition("/")[0]
    await ends(home, CONFIGURATION, f"Port {taken}.*set WEB_PORT to another", WEB_PORT=taken)
    sentence = f"Port {taken} on 127.0.0.1 can't be used.*set METRICS_PORT to another"
    await ends(home, CONFIGURATION, sentence, METRICS_PORT=taken)


async def test_discord_away(home: BotProcess) -> None:
    home.discord.faults.add("*", Fault.drop_before(), times=None)
    await ends(home, LATER, "Discord can't be reached")


async def test_no_session_start_left(home: BotProcess) -> None:
    home.discord.routes.starts_left = 0
    await ends(home, LATER, "no session start for the next 1441 minutes.*reset the token")
    assert home.discord.gateway.counts["identify"] == 0


async def test_no_folder_for_temporary_files(home: BotProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(home.folder / "gone"))
    await ends(home, CONFIGURATION, "No folder for temporary files can be written")
