"""A submitter in and after an outage, and a claim that is confirmed because its checks took long."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from bot.breakers import AWAY, BackendBreakers
from bot.context import Wakeups
from bot.domain.policy import Offer
from bot.domain.runs import Run
from bot.effects import Effects
from bot.store import Store
from bot.workers.run_updates import UpdateRecorder
from bot.workers.submission import Submitter
from tests.contract.store.runs import GRACE, RUN_ID, accepted, at, columns
from tests.harness import Clock
from tests.unit.factories import SETTINGS, app_with

pytestmark = pytest.mark.sqlite_only


async def test_after_an_outage_one_run_is_tried_first_and_slow_checks_start_its_grace_time_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        await accepted(store)
    clock, due = Clock(), list[datetime]()
    clock.now = at(0)

    def seconds() -> float:
        return clock.now.timestamp()

    async def slow_checks(_app: Any, run: Run) -> object:
        clock.move(seconds=60)
        return run.inputs

    async def start_run(run: Run) -> str:
        due.append((await columns(store, run.key))["due_at"])
        return RUN_ID

    monkeypatch.setattr("bot.workers.submission.renewed_inputs", slow_checks)
    monkeypatch.setattr("bot.workers.submission.CHANNEL_TRUST", timedelta.max)
    catalogue = SimpleNamespace(get=lambda _: None, all=lambda: (), offer=lambda _run: Offer())
    app = app_with(
        settings=SETTINGS.model_copy(update={"submit_grace_seconds": GRACE.total_seconds()}),
        store=store,
        backend=SimpleNamespace(start_run=start_run),
        wakeups=Wakeups(),
        effects=Effects(now=clock, monotonic=seconds, random=Random(1)),
        catalogue=catalogue,
    )
    breakers = BackendBreakers(app)
    submitter = Submitter(app, breakers, UpdateRecorder(app))
    breakers.service.fail(app.effects.monotonic(), AWAY)
    assert not isinstance(await submitter.claim(2), list)
    breakers.service.responded(app.effects.monotonic())
    first = await submitter.claim(2)
    assert isinstance(first, list)
    assert len(first) == 1
    assert not isinstance(await submitter.claim(2), list)
    await submitter.submit(first[0])
    assert due == [at(60) + GRACE]
    assert isinstance(await submitter.claim(2), list)
