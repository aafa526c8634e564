"""Signals: stopping during the start, and reading the deployments again, also in other processes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from discord import Permissions

from demo.fake_comfydeploy.deployments import PICTURE_ID, VIDEO_ID
from tests.chaos.database import opened
from tests.discord.deployments import described
from tests.e2e.bot_process import PATIENCE, BotProcess, bot_process
from tests.fakediscord.faults import Fault
from tests.fakediscord.world import User

ONE = described(paint=PICTURE_ID)
TWO = described(paint=PICTURE_ID, film=VIDEO_ID)


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Accept connections and never answer; yield the port, and an event for the first connection."""
    called, over = asyncio.Event(), asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await over.wait()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], called
        over.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("setting", "address"),
    [
        ("COMFYDEPLOY_API_URL", "http://127.0.0.1:{}/api"),
        ("DATABASE_URL", "postgresql://bot@127.0.0.1:{}/bot"),
    ],
)
async def test_a_start_that_waits_for_an_answer(
    home: BotProcess, number: signal.Signals, setting: str, address: str
) -> None:
    async with silent_server() as (port, called):
        home.more[setting] = address.format(port)
        await home.launch()
        await asyncio.wait_for(called.wait(), PATIENCE)
        home.signal(number)
        assert await home.ended() == 0
        assert home.log.splitlines()[-1].endswith("bot.serve stopped")
        assert "Traceback" not in home.log


async def test_a_login_that_discord_does_not_answer(home: BotProcess) -> None:
    home.discord.faults.add("*", Fault.delay(600), times=None)
    await home.launch()
    await home.until(lambda: "logging in" in home.log)
    assert await home.stop() == 0
    assert "Traceback" not in home.log


@pytest.mark.bot(COMFYDEPLOY_DEPLOYMENT_ID="")
async def test_a_hang_up_during_the_start_is_not_forgotten(home: BotProcess) -> None:
    file = home.folder / "deployments.toml"
    file.write_text(ONE, encoding="utf-8")
    home.discord.faults.add("*", Fault.delay(2))
    await home.launch()
    await home.until(lambda: "logging in" in home.log)
    file.write_text(TWO, encoding="utf-8")
    home.signal(signal.SIGHUP)
    await home.until(lambda: "added film" in home.log)


async def test_a_command_that_is_interrupted_ends_with_130(home: BotProcess) -> None:
    async with silent_server() as (port, called):
        home.more["COMFYDEPLOY_API_URL"] = f"http://127.0.0.1:{port}/api"
        errors = home.folder / "errors"
        process = await home.spawn("check", err=errors)
        await asyncio.wait_for(called.wait(), PATIENCE)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 130
        assert errors.read_text() == ""


def options(home: BotProcess) -> set[str]:
    command = home.discord.commands.find("generate")
    return {option["name"] for option in command["options"]} if command else set()


@pytest.mark.bot(COMFYDEPLOY_DEPLOYMENT_ID="")
async def test_sighup_reads_the_file_again_and_a_broken_file_changes_nothing(home: BotProcess) -> None:
    file = home.folder / "deployments.toml"
    file.write_text(ONE, encoding="utf-8")
    await home.start()
    file.write_text(TWO, encoding="utf-8")
    home.signal(signal.SIGHUP)
    await home.discord.wait_until(lambda: {"paint", "film"} <= options(home))
    kept = "kept the old deployments: deployments.toml can't be read as TOML: "
    for broken, why in (("a = " + "[" * 5_000, "maximum recursion depth"), ("[deployments", "Exp")):
        file.write_text(broken, encoding="utf-8")
        home.signal(signal.SIGHUP)
        await home.until(lambda why=why: kept + why in home.log)  # type: ignore[misc]
    assert {"paint", "film"} <= options(home)
    await home.discord.slash(home.alice, home.channel, "generate film", {"prompt": "a fox"})
    await home.settled(runs=1)
    (run,) = await home.runs()
    assert (run.request.deployment, run.state) == ("film", "succeeded")
    assert await home.stop() == 0


def owner(home: BotProcess) -> User:
    """Return the person whom the fake Discord names as the application's owner."""
    person = User(1, "owner")
    home.discord.world.users[person.id] = person
    home.discord.join(home.guild, person, permissions=Permissions.all().value)
    return person


@asynccontextmanager
async def reconciling(home: BotProcess) -> AsyncIterator[Path]:
    """Run a second process without the gateway, and yield the path of its log."""
    log = home.folder / "reconcile.log"
    process = await home.spawn(env=home.environment() | {"ROLES": "reconcile", "WEB_PORT": "0"}, err=log)
    try:
        await home.until(lambda: "listening on" in log.read_text())
        yield log
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0


async def test_the_owners_command_reaches_every_process(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    file.write_text(ONE, encoding="utf-8")
    async with (
        opened("postgres", tmp_path) as database,
        bot_process(tmp_path, database=database, COMFYDEPLOY_DEPLOYMENT_ID="") as home,
        reconciling(home) as log,
    ):
        await home.start(ROLES="gateway,web,messenger")
        file.write_text(TWO, encoding="utf-8")
        asked = await home.discord.slash(owner(home), home.channel, "reload")
        await asked.wait_answer()
        await home.until(lambda: "reloaded the deployments: added film" in log.read_text())
        assert {"paint", "film"} <= options(home)
        assert await home.stop() == 0
