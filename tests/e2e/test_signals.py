"""SIGTERM during the start and during work, SIGKILL, and SIGHUP, also for other processes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from discord import Permissions

from demo.fake_comfydeploy.deployments import PICTURE_ID, VIDEO_ID
from demo.fake_comfydeploy.faults import Faults
from tests.chaos.database import opened
from tests.e2e.bot_process import PATIENCE, POST, BotProcess, bot_process, described, ready
from tests.fakediscord.faults import Fault
from tests.fakediscord.world import User
from tests.harness import HELD

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


@pytest.mark.parametrize(
    ("number", "setting", "address"),
    [
        (signal.SIGTERM, "COMFYDEPLOY_API_URL", "http://127.0.0.1:{}/api"),
        (signal.SIGINT, "DATABASE_URL", "postgresql://bot@127.0.0.1:{}/bot"),
    ],
    ids=["SIGTERM, ComfyDeploy", "SIGINT, PostgreSQL"],
)
async def test_a_start_that_waits_for_an_answer_stops(
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


async def test_a_login_that_discord_does_not_answer_stops(home: BotProcess) -> None:
    home.discord.faults.add("*", Fault.delay(600), times=None)
    await home.launch()
    await home.until(lambda: "logging in" in home.log)
    assert await home.stop() == 0
    assert "Traceback" not in home.log


async def test_sigterm_finishes_a_send_and_the_next_start_does_the_rest(home: BotProcess) -> None:
    home.comfydeploy.faults = HELD
    await home.start()
    for _ in range(4):
        await home.ask()
    # Two run, as many as the deployment takes; two wait for them.
    await home.held(2)
    slow = home.discord.faults.add(POST, Fault.delay(1.5))
    home.comfydeploy.faults = Faults()
    home.comfydeploy.release()
    await home.until(lambda: slow.used)
    assert await home.stop() == 0, home.log
    sent = [message for message in await home.messages() if message.state == "sent"]
    assert len(sent) == len([m for m in home.discord.messages(home.channel) if m.attachments]), home.log
    assert sent, "the running send was not finished"
    await home.start()
    await home.settled(runs=4)
    await home.check_outcomes(calls=4)


async def test_sigterm_does_not_wait_for_a_send_that_discord_holds_up(home: BotProcess) -> None:
    held_up = home.discord.faults.add(POST, Fault.rate_limit(600))
    await home.start()
    await home.ask()
    await home.until(lambda: held_up.used)
    assert await home.stop() == 0, home.log
    assert [message.state for message in await home.messages()] == ["pending"]
    assert "Traceback" not in home.log
    await home.start()
    await home.settled(runs=1)
    await home.check_outcomes()


@pytest.mark.bot(speed=6.0)
async def test_a_post_whose_reply_was_lost_is_found_again_after_a_kill(home: BotProcess) -> None:
    lost = home.discord.faults.add(POST, Fault.delay(60, after=True))
    await home.start()
    await home.ask()
    await home.discord.wait_until(lambda: lost.used and home.discord.request_log.messages_created > 1)
    await home.kill()
    posts = len(home.discord.request_log.calls("POST", "/channels/{channel_id}/messages"))
    home.discord.world.clock.advance(600)  # the nonce is forgotten
    await home.start()
    await home.settled(runs=1)
    await home.check_outcomes()
    assert len(home.discord.request_log.calls("POST", "/channels/{channel_id}/messages")) <= posts + 1


@pytest.mark.parametrize(
    ("code", "said"),
    [(4004, "it was reset"), (4011, "Set SHARD_COUNT higher"), (4014, "refuses the bot's intents")],
)
async def test_a_close_for_good_ends_the_bot_with_the_reason(home: BotProcess, code: int, said: str) -> None:
    await home.start()
    await ready(home.port)
    await home.discord.gateway.close(code)
    assert await home.ended() == 2
    assert said in home.log.splitlines()[-1]


def options(home: BotProcess) -> set[str]:
    command = home.discord.commands.find("generate")
    return {option["name"] for option in command["options"]} if command else set()


@pytest.mark.bot(COMFYDEPLOY_DEPLOYMENT_ID="")
async def test_sighup_reads_the_file_again_and_a_broken_file_changes_nothing(home: BotProcess) -> None:
    file = home.folder / "deployments.toml"
    file.write_text(ONE, encoding="utf-8")
    home.discord.faults.add("*", Fault.delay(2))
    await home.launch()
    await home.until(lambda: "logging in" in home.log)
    file.write_text(TWO, encoding="utf-8")
    home.signal(signal.SIGHUP)  # during the start, and obeyed after it
    await home.until(lambda: "added film" in home.log)
    await home.discord.wait_until(lambda: {"paint", "film"} <= options(home))
    kept = "kept the old deployments: deployments.toml can't be read as TOML: "
    for broken, why in (("a = " + "[" * 5_000, "maximum recursion depth"), ("[deployments", "Exp")):
        file.write_text(broken, encoding="utf-8")
        home.signal(signal.SIGHUP)
        await home.until(lambda why=why: kept + why in home.log)  # type: ignore[misc]
    assert {"paint", "film"} <= options(home)
    assert await home.stop() == 0


def owner(home: BotProcess) -> User:
    """Return the person whom the fake Discord names as the application's owner."""
    person = User(1, "owner")
    home.discord.world.users[person.id] = person
    home.discord.join(home.guild, person, permissions=Permissions.all().value)
    return person


async def test_the_owners_command_reaches_every_process(tmp_path: Path) -> None:
    file, log = tmp_path / "deployments.toml", tmp_path / "reconcile.log"
    file.write_text(ONE, encoding="utf-8")
    async with (
        opened("postgres", tmp_path) as database,
        bot_process(tmp_path, database=database, COMFYDEPLOY_DEPLOYMENT_ID="") as home,
    ):
        env = home.environment() | {"ROLES": "reconcile", "WEB_PORT": "0"}
        reconciling = await home.spawn(log=log, env=env)
        await home.until(lambda: "listening on" in log.read_text())
        await home.start(ROLES="gateway,web,messenger")
        file.write_text(TWO, encoding="utf-8")
        asked = await home.discord.slash(owner(home), home.channel, "reload")
        await asked.wait_answer()
        await home.until(lambda: "reloaded the deployments: added film" in log.read_text())
        assert {"paint", "film"} <= options(home)
        assert await home.stop() == 0
        reconciling.terminate()
        assert await asyncio.wait_for(reconciling.wait(), PATIENCE) == 0
