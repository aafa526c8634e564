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

from bot.domain.requests import ChannelState, GenerationRequest, Member, Origin, Requester, new_key
from bot.domain.runs import RunReport, RunState
from bot.outside import Outside
from bot.store import Store
from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.runs import Run as FakeRun
from tests.e2e.bot_process import BotProcess, bot_process, ready
from tests.fakediscord.world import Channel

MANY = 1000
PLACES = 100
# In a second: the checks that the reconciler allows itself (counted in seconds of ours), and Discord's limit.
CHECKS = 32
DISCORD_CALLS = 50


async def request_under_way(home: BotProcess, store: Store, place: Channel, already_sent: datetime) -> None:
    """Store a run as a bot that died during it would; ComfyDeploy has ended it since."""
    request = GenerationRequest(
        key=new_key(SystemRandom()),
        requester_id=home.alice.id,
        origin=Origin(
            guild_id=home.guild.id,
            channel_id=place.id,
            application_id=home.discord.bot.id,
            interaction_token="run-out",
            interaction_expires_at=already_sent + timedelta(minutes=15),
            upload_limit=10 * 1024 * 1024,
        ),
        deployment="picture",
        deployment_id=PICTURE_ID,
        inputs={"prompt": "a fox"},
        prompt="a fox",
    )
    person = Member(id=home.alice.id, created_at=already_sent - timedelta(days=100))
    requester = Requester(person, request.origin, frozenset(), lambda _channel_id: ChannelState())
    await store.requests.accept([request], requester, already_sent, timedelta())
    status = home.discord.post(home.discord.bot, place, "Generating")
    await store.answers.release(request.key, status.id, already_sent)
    run_id = str(uuid4())
    running = RunReport(run_id=run_id, state=RunState.RUNNING)
    await store.runs.record_report(request.key, running, already_sent, already_sent + timedelta(minutes=1))
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


async def fill(home: BotProcess) -> None:
    store = Store(f"sqlite+aiosqlite:///{home.database}", Outside())
    await store.open()
    already_sent = datetime.now(UTC) - timedelta(minutes=30)
    places = [home.discord.add_text(home.guild, f"place-{number}") for number in range(PLACES)]
    for number in range(MANY):
        await request_under_way(home, store, places[number % PLACES], already_sent)
    # The status messages are up to date.
    assert len(await store.claims.claim_status(already_sent, timedelta(), timedelta(), MANY)) == MANY
    await store.close()


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
        assert home.rows("SELECT count(*) FROM deliveries WHERE state = 'sent'") == [(MANY,)], home.log[
            -3000:
        ]
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
