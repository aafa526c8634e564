"""A restart with a thousand runs in flight: no burst of calls, and every run ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any
from uuid import uuid4

import pytest

from bot.domain.requests import new_key
from bot.domain.runs import Run, RunState
from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.runs import Run as FakeRun
from tests.e2e.bot_process import BotProcess, bot_process
from tests.fakediscord.world import Channel
from tests.questions import insert_runs
from tests.unit.factories import made_run

MANY = 1000
PLACES = 100
# The most checks that the reconciler makes in a second, and Discord's limit of calls. Parts of two of their
# seconds may fall into one of ours.
CHECKS = 20
DISCORD_CALLS = 50


def run_under_way(home: BotProcess, place: Channel, at: datetime) -> Run:
    """Return a run as a bot that died during it would store it; ComfyDeploy has ended it since."""
    key, run_id, fake = new_key(SystemRandom()), str(uuid4()), home.comfydeploy
    deployment, plan = fake.world.deployments[PICTURE_ID], fake.world.plan
    ended: dict[str, Any] = {"id": run_id, "status": "failed", "created_at": at, "ended_at": at, "gpu": None}
    fake.runs.add(
        FakeRun(deployment=deployment, inputs={}, plan=plan, webhook=None, intermediate=False, **ended)
    )
    return made_run(
        RunState.RUNNING,
        key=key,
        created_at=at,
        requester_id=home.alice.id,
        guild_id=home.guild.id,
        channel_id=place.id,
        deployment="picture",
        deployment_id=PICTURE_ID,
        prompt="a fox",
        application_id=home.discord.bot.id,
        status_message_id=home.discord.post(home.discord.bot, place, "Generating").id,
        run_id=run_id,
        submitted_at=at,
        started_at=at,
    )


def busiest_second(moments: Iterable[float]) -> int:
    return max(Counter(int(moment) for moment in moments).values(), default=0)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_restart_with_a_thousand_runs_in_flight_makes_no_storm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bot_process(tmp_path, rate_limits=True) as home:
        at = datetime.now(UTC) - timedelta(minutes=30)
        places = [home.discord.add_text(home.guild, f"place-{number}") for number in range(PLACES)]
        planted = [run_under_way(home, places[n % PLACES], at) for n in range(MANY)]
        await insert_runs(home.database, *planted, due_at=at + timedelta(minutes=1))
        asked, get = list[float](), home.comfydeploy.runs.get

        def noted(run_id: str) -> FakeRun | None:
            asked.append(time.monotonic())
            return get(run_id)

        monkeypatch.setattr(home.comfydeploy.runs, "get", noted)
        await home.start()
        await home.settled(within=600)
        log = home.discord.request_log
        assert [message.state for message in await home.messages()] == ["sent"] * MANY, home.log[-3000:]
        assert log.messages_created == 2 * MANY, "a status message and an outcome each"
        assert sum(len(channel.messages) for channel in home.discord.world.channels.values()) == MANY
        assert len(asked) <= MANY * 2.2  # each run is asked about once, and its log once
        assert busiest_second(asked) <= 2 * CHECKS
        assert busiest_second(each.at for each in log.requests) <= 2 * DISCORD_CALLS
        assert sum(log.rate_limited.values()) <= MANY * 0.03, log.rate_limited
