"""`python -m bot sync` and `export` as processes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from bot.ops.export import FIELDS
from tests.e2e.bot_process import PROJECT, BotProcess
from tests.ports import free_port
from tests.questions import set_schema_version


async def test_sync_says_what_changed_and_then_that_nothing_does(home: BotProcess) -> None:
    first = await home.command("sync")
    assert first.code == 0, first.err
    assert first.out.startswith("all servers: added 'Use as input', /audit")
    assert "changed" not in first.out
    commands = home.discord.commands.scopes[None]
    next(c for c in commands if c["name"] == "help")["description"] = "Somebody else's"
    commands[:] = [c for c in commands if c["name"] != "queue"]
    runs = home.discord.commands.find("runs")
    assert runs is not None
    commands.append(runs | {"name": "old", "id": "1"})
    second = await home.command("sync")
    assert second.out == "all servers: added /queue; changed /help; removed /old\n"
    before = home.discord.commands.overwrites
    assert (await home.command("sync")).out == "all servers: nothing to change\n"
    assert home.discord.commands.overwrites == before
    # The bot starts without syncing again: it has been noted.
    await home.start()
    assert home.discord.commands.overwrites == before


async def test_sync_to_one_server_clears_the_others(home: BotProcess) -> None:
    await home.command("sync")
    said = await home.command("sync", COMMAND_GUILD_IDS=str(home.guild.id))
    everywhere, there = said.out.splitlines()
    assert everywhere.startswith("all servers: removed 'Use as input', /audit")
    assert there.startswith(f"server {home.guild.id}: added 'Use as input', /audit")
    assert home.discord.commands.scopes[None] == []


async def test_sync_to_a_server_that_the_bot_is_not_on(home: BotProcess) -> None:
    said = await home.command("sync", COMMAND_GUILD_IDS="4711")
    assert said.code == 1
    assert "server 4711: not synced: the bot is not there, or was invited without commands" in said.out


async def test_export_tells_every_field_and_no_token(home: BotProcess) -> None:
    await home.start()
    picture = home.discord.file("start.png", b"\x89PNG\r\n\x1a\n" + bytes(64), width=8, height=8)
    asked = [await home.ask(image=picture)]
    await home.discord.wait_until(lambda: asked[0].shown)
    asked.append(await home.ask(seed=7))
    await home.settled(runs=2)
    said = await home.command("export")
    assert said.code == 0, said.err
    first, second = (json.loads(line) for line in said.out.splitlines())
    assert tuple(first) == FIELDS
    # The picture is none, which the workflow finds out.
    assert (first["state"], second["state"]) == ("failed", "succeeded")
    assert first["requester_id"] == str(home.alice.id)
    assert first["created_at"] < second["created_at"]
    assert first["inputs"]["image"].endswith("/start.png")
    assert (second["seed"], second["inputs"]["seed"], second["prompt"]) == (7, 7, "a fox")
    assert second["outputs"][0]["filename"]
    assert "?" not in second["outputs"][0]["url"]
    for secret in (home.discord.token, home.comfydeploy.api_key, *(one.token for one in asked)):
        assert secret not in said.out
    about = (PROJECT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert [name for name in FIELDS if f"`{name}`" not in about] == []


async def test_export_takes_only_what_was_asked_for(home: BotProcess) -> None:
    await home.start()
    await home.ask()
    await home.settled(runs=1)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for none in (("--since", later), ("--until", "2020-01-01"), ("--guild", "1")):
        assert (await home.command("export", *none)).out == ""
    limits = ("--since", "2020-01-01", "--until", later, "--guild", str(home.guild.id))
    assert len((await home.command("export", *limits)).out.splitlines()) == 1


@pytest.mark.parametrize("edge", ["9999-12-31T23:59-23:00", "yesterday"])
async def test_export_of_a_time_that_is_none(home: BotProcess, edge: str) -> None:
    said = await home.command("export", "--since", edge)
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err
    assert f"argument --since: {edge!r} is " in said.err.splitlines()[-1]


async def test_sync_without_a_deployment_says_why(home: BotProcess) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/api"
    said = await home.command("sync", COMFYDEPLOY_API_URL=nobody)
    assert said.code == 1
    assert "ClientConnectorError" in said.err
    assert said.err.splitlines()[-1].startswith("No deployment can be offered.")


async def test_export_without_a_database(home: BotProcess) -> None:
    home.database_file.unlink()
    said = await home.command("export")
    assert said.code == 2
    assert said.err == f"There is no database at {home.database_file}. Check DATABASE_URL.\n"
    assert not home.database_file.exists()


async def test_export_from_an_earlier_schema(home: BotProcess) -> None:
    await set_schema_version(home.database, "0001")
    said = await home.command("export")
    assert said.code == 2
    assert "schema 0001" in said.err


async def test_help_names_the_commands(home: BotProcess) -> None:
    said = await home.command("--help")
    assert said.code == 0
    assert all(word in said.out for word in ("check", "sync", "export", "Exit codes"))
    assert (await home.command("chekc")).code == 2
