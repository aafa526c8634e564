"""What a submitter does with a claimed run that can't start yet, stored in a real database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from types import SimpleNamespace

import pytest

from bot.context import App, Wakeups
from bot.domain.backend import DeploymentDescription
from bot.domain.errors import BackendUnreachable
from bot.domain.policy import Offer
from bot.domain.runs import InputValue, Run, RunState
from bot.outside import Outside
from bot.store import Store
from bot.workers.backend_health import BackendHealth
from bot.workers.reports import ReportRecorder
from bot.workers.submission import Submitter
from bot.workers.worker import Later
from tests.contract.store.runs import GRACE, NOW, RUN_ID, accepted, at, columns, fetch
from tests.unit.factories import SETTINGS, app_with

pytestmark = pytest.mark.sqlite_only


class World:
    """ComfyDeploy and Discord, as the submitter sees them; each call raises the next of its errors."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, NOW
        self.calls: list[str] = []
        self.renewing: list[Exception] = []
        self.starting: list[Exception] = []
        self.renewal = timedelta()
        outside = Outside(now=lambda: self.now, monotonic=self.seconds, random=Random(1))
        app = app_with(
            settings=SETTINGS.model_copy(update={"submit_grace_seconds": GRACE.total_seconds()}),
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
            raise self.renewing.pop(0)
        self.now += self.renewal
        return run.inputs

    async def start_run(self, run: Run) -> str:
        self.calls.append(run.key)
        self.due_at = (await columns(self.store, run.key))["due_at"]
        if self.starting:
            raise self.starting.pop(0)
        return RUN_ID

    async def describe_deployment(self, deployment_id: str) -> DeploymentDescription:
        return DeploymentDescription(id=deployment_id)

    async def deployment_ids(self) -> frozenset[str]:
        return frozenset()

    async def probe(self) -> None:
        """Make the probes that are due."""
        while not isinstance(guards := await self.health.claim(1), Later):
            for guard in guards:
                await self.health.probe(guard)

    async def submit(self) -> Run:
        """Claim and submit a run, and return it as it is then."""
        await self.probe()
        found = await self.submitter.claim(1)
        assert isinstance(found, list)
        await self.submitter.submit(found[0])
        return await fetch(self.store, found[0].key)


@pytest.fixture
def world(store: Store, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world whose deployments and channels never refuse; the files of runs follow `renewing`."""
    world = World(store)
    monkeypatch.setattr("bot.workers.submission.renewed_inputs", world.renew)
    monkeypatch.setattr("bot.workers.submission.CHANNEL_TRUST", timedelta.max)
    return world


async def test_after_an_outage_one_run_is_tried_first(world: World) -> None:
    for _ in range(2):
        await accepted(world.store)
    world.starting = [BackendUnreachable()]
    assert (await world.submit()).state is RunState.WAITING
    assert await world.submitter.claim(1) is None
    world.now += timedelta(seconds=10)
    await world.probe()
    first = await world.submitter.claim(1)
    assert isinstance(first, list)
    assert await world.submitter.claim(1) is None
    await world.submitter.submit(first[0])
    assert (await fetch(world.store, first[0].key)).state is RunState.QUEUED
    assert (await world.submit()).state is RunState.QUEUED


async def test_slow_checks_start_the_grace_time_again(world: World) -> None:
    await accepted(world.store)
    world.renewal = timedelta(seconds=60)
    assert (await world.submit()).state is RunState.QUEUED
    assert world.due_at == at(60) + GRACE
