"""What is known about a claimed run is stored, whatever the database and Discord do meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from bot.context import App, Wakeups
from bot.domain.backend import DeploymentDescription
from bot.domain.errors import (
    BackendBadReply,
    BackendError,
    BackendForbidden,
    BackendNotFound,
    BackendRateLimited,
    BackendServerError,
    BackendUnreachable,
    NotNow,
    RefusedError,
)
from bot.domain.policy import Offer
from bot.domain.runs import InputValue, Run, RunState
from bot.outside import Outside
from bot.store import Store
from bot.workers.backend_health import BackendHealth
from bot.workers.reports import ReportRecorder
from bot.workers.submission import MAX_RENEWALS, Submitter
from bot.workers.worker import Later
from tests.contract.store.runs import GRACE, NOW, RUN_ID, SOON, accepted, at, columns, fetch, report, state_of
from tests.databases import file_away
from tests.unit.factories import SETTINGS, app_with

Step = Callable[[], Awaitable[Any]]


class World:
    """ComfyDeploy and Discord, as the submitter sees them; each call first awaits the next of its steps."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW
        self.calls: list[str] = []
        self.renewing: list[Step] = []
        self.starting: list[Step] = []
        self.describing: list[BackendError] = []
        outside = Outside(now=lambda: self.now, monotonic=self.seconds, random=Random(1))
        settings = SETTINGS.model_copy(update={"submit_grace_seconds": GRACE.total_seconds()})
        app = app_with(
            settings=settings,
            store=store,
            backend=self,
            wakeups=Wakeups(),
            outside=outside,
            catalogue=SimpleNamespace(get=lambda _: None, all=lambda: (), offer=lambda _run: Offer()),
        )
        self.health = BackendHealth(app)
        self.submitter = Submitter(app, self.health, ReportRecorder(app))

    def seconds(self) -> float:
        return (self.now - NOW).total_seconds()

    async def renew(self, _app: App, run: Run, _now: datetime) -> Mapping[str, InputValue]:
        if self.renewing:
            await self.renewing.pop(0)()
        return run.inputs

    async def start_run(self, run: Run) -> str:
        self.calls.append(run.key)
        if self.starting:
            await self.starting.pop(0)()
        return RUN_ID

    async def describe_deployment(self, deployment_id: str) -> DeploymentDescription:
        if self.describing:
            raise self.describing.pop(0)
        return DeploymentDescription(id=deployment_id)

    async def deployment_ids(self) -> frozenset[str]:
        if self.describing:
            raise self.describing.pop(0)
        return frozenset()

    async def probe(self) -> None:
        """Make the probes that are due."""
        while not isinstance(guards := await self.health.claim(1), Later):
            for guard in guards:
                await self.health.probe(guard)

    async def claim(self) -> Run:
        found = await self.submitter.claim(1)
        assert isinstance(found, list)
        (run,) = found
        return run

    async def submit(self) -> Run:
        """Claim and submit a run, and return it as it is then."""
        await self.probe()
        run = await self.claim()
        await self.submitter.submit(run)
        return await fetch(self.store, run.key)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def world(store: Store, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world whose deployments and channels never refuse; the files of runs follow `renewing`."""
    world = World(store)
    monkeypatch.setattr("bot.workers.submission.renewed_inputs", world.renew)
    monkeypatch.setattr("bot.workers.submission.CHANNEL_TRUST", timedelta.max)
    return world


def failing(error: Exception) -> Step:
    async def fails() -> None:
        raise error

    return fails


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("step", "ends_as", "calls"),
    [
        (BackendForbidden("no credits"), (RunState.REFUSED, "comfy_forbidden"), 1),
        (BackendRateLimited("busy"), (RunState.WAITING, None), 1),
        (RefusedError("attachment_expired"), (RunState.REFUSED, "attachment_expired"), 0),
    ],
    ids=["no credits", "busy", "the file expired"],
)
async def test_a_database_that_is_away_after_the_claim_loses_no_outcome(
    world: World, step: Exception, ends_as: tuple[RunState, str | None], calls: int, tmp_path: Path
) -> None:
    run = await accepted(world.store)
    away = ExitStack()

    async def fails() -> None:
        await world.store.database.close()
        away.enter_context(file_away(tmp_path / "bot.db"))
        asyncio.get_running_loop().call_later(0.1, away.close)
        raise step

    (world.starting if calls else world.renewing).append(fails)
    assert (await world.submit()).key == run.key
    assert await state_of(world.store, run) == ends_as
    assert len(world.calls) == calls
    assert (await fetch(world.store, run.key)).submissions == (ends_as[0] is RunState.REFUSED)


async def test_the_reconciler_knows_what_is_being_submitted(world: World) -> None:
    run = await accepted(world.store)
    seen: list[bool] = []

    async def look() -> None:
        seen.append(world.submitter.is_submitting(run.key))

    world.starting.append(look)
    await world.submit()
    assert [*seen, world.submitter.is_submitting(run.key)] == [True, False]


async def test_renewals_are_bounded_and_failed_queue_calls_do_not_count_as_one(world: World) -> None:
    run = await accepted(world.store)
    world.starting = [failing(BackendRateLimited("busy"))] * 40
    for _ in range(40):
        assert (await world.submit()).state is RunState.WAITING
        world.later(100)
    world.renewing = [failing(NotNow("no card"))] * MAX_RENEWALS
    for _ in range(MAX_RENEWALS - 1):
        assert (await world.submit()).state is RunState.WAITING
        world.later(130)
    await world.submit()
    assert await state_of(world.store, run) == (RunState.REFUSED, "attachment_unavailable")
    assert len(world.calls) == 40


async def test_after_failed_renewals_a_queue_call_is_still_repeated(world: World) -> None:
    await accepted(world.store)
    world.renewing = [failing(NotNow("no card"))] * 6
    world.starting = [failing(BackendRateLimited("busy"))]
    for _ in range(7):
        assert (await world.submit()).state is RunState.WAITING
        world.later(130)
    assert (await world.submit()).state is RunState.QUEUED


@pytest.mark.parametrize(
    ("describing", "calls"),
    [
        ([], 2),
        ([BackendNotFound()], 2),
        ([BackendServerError()], 2),
        ([BackendServerError(), BackendBadReply("too long")], 2),
        ([BackendServerError(), BackendServerError()], 1),
        ([BackendUnreachable(), BackendUnreachable()], 1),
    ],
)
async def test_in_an_outage_a_queue_call_is_made_only_after_an_answered_probe(
    world: World, describing: list[BackendError], calls: int
) -> None:
    await accepted(world.store)
    world.starting = [failing(BackendUnreachable())]
    await world.submit()
    world.later(60)
    world.describing = list(describing)
    await world.probe()
    found = await world.submitter.claim(1)
    assert isinstance(found, list) is (calls == 2)
    for run in found if isinstance(found, list) else ():
        await world.submitter.submit(run)
        assert (await fetch(world.store, run.key)).state is RunState.QUEUED
    assert len(world.calls) == calls


async def test_after_an_outage_one_run_is_tried_first(world: World) -> None:
    for _ in range(2):
        await accepted(world.store)
    world.starting = [failing(BackendUnreachable())]
    assert (await world.submit()).state is RunState.WAITING
    assert await world.submitter.claim(1) is None
    world.later(10)
    await world.probe()
    first = await world.claim()
    assert await world.submitter.claim(1) is None
    await world.submitter.submit(first)
    assert (await fetch(world.store, first.key)).state is RunState.QUEUED
    await world.claim()


@pytest.mark.parametrize("what", ["cancelled", "ended", "adopted"])
async def test_no_queue_call_is_made_for_a_run_that_changed_during_its_checks(
    world: World, other: Store, what: str
) -> None:
    run = await accepted(world.store)
    changes: dict[str, tuple[Step, RunState]] = {
        "cancelled": (
            lambda: other.runs.request_cancel(run.key, at(5), by=run.requester_id),
            RunState.CANCELLED,
        ),
        "ended": (
            lambda: other.runs.finish(run.key, RunState.UNCONFIRMED, at(5), code="comfy_timeout"),
            RunState.UNCONFIRMED,
        ),
        "adopted": (
            lambda: other.runs.record_report(run.key, report(), at(5), SOON),
            RunState.RUNNING,
        ),
    }
    change, state = changes[what]

    async def slowly() -> None:
        world.later(10)
        await change()

    world.renewing.append(slowly)
    assert (await world.submit()).state is state
    assert world.calls == []


async def test_slow_checks_start_the_grace_time_again(world: World) -> None:
    run = await accepted(world.store)
    due: list[datetime] = []

    async def slowly() -> None:
        world.later(60)

    async def look() -> None:
        due.append((await columns(world.store, run.key))["due_at"])

    world.renewing, world.starting = [slowly], [look]
    assert (await world.submit()).state is RunState.QUEUED
    assert due == [at(60) + GRACE]
