"""SIGTERM and SIGINT during the start and during work, and SIGHUP."""

from __future__ import annotations

import asyncio
import signal
import socket

import pytest

from demo.fake_comfydeploy.deployments import PICTURE_ID, VIDEO_ID
from demo.fake_comfydeploy.faults import Faults
from tests.e2e.bot_process import POST, BotProcess, described
from tests.fakediscord.faults import Effect, Fault
from tests.harness import HELD
from tests.questions import unfinished


async def test_a_start_that_waits_for_postgresql_stops(home: BotProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        home.more["DATABASE_URL"] = f"postgresql://bot@127.0.0.1:{silent.getsockname()[1]}/bot"
        await home.launch()
        connection, _ = await asyncio.get_running_loop().sock_accept(silent)
        home.signal(signal.SIGINT)
        assert await home.ended() == 0
        connection.close()
    assert home.log.splitlines()[-1].endswith("bot.serve stopped")
    assert "Traceback" not in home.log


async def test_a_login_that_discord_does_not_answer_stops(home: BotProcess) -> None:
    home.discord.faults.add("*", Fault.delay(600), times=None)
    await home.launch()
    await home.until(lambda: "logging in" in home.log)
    assert await home.stop() == 0
    assert "Traceback" not in home.log


async def test_sigterm_finishes_one_send_and_waits_for_no_other_that_discord_holds_up(
    home: BotProcess,
) -> None:
    home.comfydeploy.faults = HELD
    await home.start()
    places = [home.channel, home.discord.add_text(home.guild, "sketches")]
    for place in places:
        await home.discord.slash(home.alice, place, "generate", {"prompt": "a fox"})
    await home.held(2)
    sends = [
        home.discord.faults.add(POST, fault)
        for fault in (Fault.delay(1.5), Fault(Effect.RATE_LIMIT, seconds=600))
    ]
    home.comfydeploy.faults = Faults()
    home.comfydeploy.release()
    await home.until(lambda: all(send.used for send in sends))
    assert await home.stop() == 0, home.log
    assert "Traceback" not in home.log
    assert await unfinished(home.database) == (2, 1)
    await home.start()
    await home.settled(runs=2)
    shown = [[bool(message.attachments) for message in home.discord.messages(place)] for place in places]
    assert shown == [[True], [True]]
    assert len(home.comfydeploy.call_log.queue_calls) == 2


async def test_sigterm_lets_what_somebody_asks_be_answered(home: BotProcess) -> None:
    """The connection to Discord was closed under it, which was logged as three errors."""
    await home.start()
    answers = home.discord.faults.add(
        "POST /interactions/{webhook_id}/{webhook_token}/callback", Fault.delay(0.5)
    )
    asking = asyncio.create_task(home.ask())
    await home.until(lambda: answers.used)
    assert await home.stop() == 0
    assert (await asking).shown
    assert " ERROR " not in home.log


@pytest.mark.bot(COMFYDEPLOY_DEPLOYMENT_ID="")
async def test_sighup_reads_the_file_again_and_a_broken_file_changes_nothing(home: BotProcess) -> None:
    file = home.folder / "deployments.toml"
    file.write_text(described(paint=PICTURE_ID), encoding="utf-8")
    home.discord.faults.add("*", Fault.delay(2))
    await home.launch()
    await home.until(lambda: "logging in" in home.log)
    file.write_text(described(paint=PICTURE_ID, film=VIDEO_ID), encoding="utf-8")
    home.signal(signal.SIGHUP)  # during the start, and obeyed after it
    await home.until(lambda: "added film" in home.log)
    await home.discord.wait_until(lambda: {"paint", "film"} <= home.offered())
    kept = "kept the old deployments: deployments.toml can't be read as TOML: "
    for broken, why in (("a = " + "[" * 5_000, "maximum recursion depth"), ("[deployments", "Exp")):
        file.write_text(broken, encoding="utf-8")
        home.signal(signal.SIGHUP)
        await home.until(lambda why=why: kept + why in home.log)  # type: ignore[misc]
    assert {"paint", "film"} <= home.offered()
    assert await home.stop() == 0
