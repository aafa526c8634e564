"""A restart with a thousand runs in flight: ready at once, no burst of calls, every run ends."""

from __future__ import annotations

import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from uuid import uuid4

import pytest

from bot.domain.requests import new_key
from bot.domain.runs import Run, RunState
from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.runs import Run as FakeRun
from tests.e2e.bot_process import BotProcess, bot_process, ready
from tests.fakediscord.world import Channel
from tests.questions import insert_runs

MANY = 1000
PLACES = 100
# In a second: the checks that the reconciler allows itself (two full chunks may meet in one of our seconds),
# and Discord's limit.
CHECKS = 20
DISCORD_CALLS = 50


def request_under_way(home: BotProcess, place: Channel, already_sent: datetime) -> Run:
    """Return a run as a bot that died during it would store it; ComfyDeploy has ended it since."""
    key, run_id = new_key(SystemRandom()), str(uuid4())
    home.comfydeploy.runs.add(
        FakeRun(
            deployment=home.comfydeploy.world.deployments[PICTURE_ID],
            inputs={},
            webhook=None,
            intermediate=False,
            gpu=None,
            created_at=already_sent,
            plan=home.comfydeploy.world.plan,
            id=run_id,
            status="failed",
            ended_at=already_sent,
        )
    )
    return Run(
        key=key,
        request_key=key,
        state=RunState.RUNNING,
        created_at=already_sent,
        requester_id=home.alice.id,
        guild_id=home.guild.id,
        channel_id=place.id,
        deployment="picture",
        deployment_id=PICTURE_ID,
        inputs={"prompt": "a fox"},
        prompt="a fox",
        application_id=home.discord.bot.id,
        status_message_id=home.discord.post(home.discord.bot, place, "Generating").id,
        run_id=run_id,
        submitted_at=already_sent,
        started_at=already_sent,
    )


async def fill(home: BotProcess) -> None:
    already_sent = datetime.now(UTC) - timedelta(minutes=30)
    places = [home.discord.add_text(home.guild, f"place-{number}") for number in range(PLACES)]
    planted = [request_under_way(home, places[n % PLACES], already_sent) for n in range(MANY)]
    await insert_runs(home.database, *planted, due_at=already_sent + timedelta(minutes=1))


def busiest_second(moments: list[float]) -> int:
    return max(Counter(int(moment) for moment in moments).values(), default=0)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_restart_with_a_thousand_runs_in_flight_makes_no_storm(tmp_path: Path) -> None:
    async with bot_process(tmp_path, rate_limits=True) as home:
        await fill(home)
        asked = record_questions(home)
        already_sent = time.monotonic()
        await home.start()
        await ready(home.port)
        seconds = time.monotonic() - already_sent
        await home.settled(within=600)
        questions, calls = (
            busiest_second(asked),
            busiest_second([r.at for r in home.discord.request_log.requests]),
        )
        refused = sum(home.discord.request_log.rate_limited.values())
        # Figures for docs/reliability.md (pytest -s); times are not asserted.
        sys.stdout.write(
            f"\nready after {seconds:.1f} s, {MANY} told after {time.monotonic() - already_sent:.0f} s; "
            f"busiest second: {questions} questions to ComfyDeploy, {calls} calls to Discord; "
            f"{refused} x 429\n"
        )
        assert [message.state for message in await home.messages()] == ["sent"] * MANY, home.log[-3000:]
        assert home.discord.request_log.messages_created == 2 * MANY, "a status message and an outcome each"
        assert sum(len(channel.messages) for channel in home.discord.world.channels.values()) == MANY
        assert len(asked) <= MANY * 2.2  # each run is asked about once, and its log once
        assert questions <= 2 * CHECKS, "a failed run is asked for its log, too"
        # A window of the fake's need not begin with our second, so two of them may meet in one.
        assert calls <= 2 * DISCORD_CALLS
        assert refused <= MANY * 0.03, home.discord.request_log.rate_limited


def record_questions(home: BotProcess) -> list[float]:
    """Record the times at which the bot asks about a run, or for its log, from now on."""
    moments: list[float] = []
    book, get = home.comfydeploy.runs, home.comfydeploy.runs.get

    def noted(run_id: str) -> FakeRun | None:
        moments.append(time.monotonic())
        return get(run_id)

    book.get = noted  # type: ignore[method-assign]
    return moments
