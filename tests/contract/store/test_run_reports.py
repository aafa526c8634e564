"""Reports of ComfyDeploy: in any order and however often repeated, they leave one outcome."""

from __future__ import annotations

import json
import random

import pytest

from bot.comfydeploy.reports import parse_webhook
from bot.domain.errors import RunGone
from bot.domain.moderation import Report
from bot.domain.runs import RunReport, RunState
from bot.domain.transitions import reported_end
from bot.store import Store
from tests.contract.store.runs import NOW, SOON, SUCCESS, at, columns, fetch, owed, report, submitted
from tests.unit.comfydeploy.samples import names, sample

RECORDED = {name: hooks for name in names("run_") if (hooks := sample(name).get("webhooks"))}
pytestmark = pytest.mark.sqlite_only


def _reports(name: str) -> list[RunReport]:
    return [parse_webhook(json.dumps(hook["body"]).encode()) for hook in RECORDED[name]]


def _orders(reports: list[RunReport]) -> list[list[RunReport]]:
    shuffled = [random.Random(seed).sample(reports, len(reports)) for seed in range(5)]
    doubled = [each for each in reports for _ in range(2)]
    return [reports, reports[::-1], doubled, doubled[::-1], reports + reports, *shuffled]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if n % 3 else ()) for n, name in enumerate(RECORDED)]
)
async def test_a_recorded_run_ends_the_same_in_every_order(store: Store, name: str) -> None:
    ends = set()
    for order in _orders(_reports(name)):
        run = await submitted(store)
        for number, each in enumerate(order):
            await store.runs.record_report(run.key, each, at(number), SOON)
        ended = await fetch(store, run.key)
        if (state := reported_end(ended)) is not None:
            # The answer of GET /run, which has the outputs that webhooks brought.
            made = max((each.outputs for each in order), key=len)
            told = order[0]._replace(state=state, outputs=made)
            await store.runs.record_report(run.key, told, at(50), SOON, asked=True)
            ended = await fetch(store, run.key)
        files = tuple(output.url for output in ended.outputs)
        ends.add((ended.state, ended.failure_code, ended.run_id, files))
        assert ended.final
        assert len(await owed(store, run.key)) == 1
        # One more poll asks for the duration; after it there are none.
        answer = order[0]._replace(state=ended.state)
        await store.runs.record_report(run.key, answer, at(60), at(90), asked=True)
        assert (await columns(store, run.key))["due_at"] is None
    assert len(ends) == 1
    state = ends.pop()[0]
    assert state == {"failed": "failed", "timeout": "timed_out", "cancelled": "cancelled"}.get(
        name.split("_")[1], "succeeded"
    )


async def test_a_run_that_is_gone_is_refused_everywhere(store: Store) -> None:
    for change in (
        store.runs.record_report("nobody", SUCCESS, NOW, SOON),
        store.runs.finish("nobody", RunState.FAILED, NOW, code="x"),
        store.runs.request_cancel("nobody", NOW, by=1),
        store.reviews.approve("nobody", 1, NOW),
        store.reviews.reject("nobody", 1, "", NOW),
        store.reviews.delete("nobody", 1, NOW, whole_batch=True),
        store.reviews.report("nobody", Report(1, "Something else"), 2, NOW),
        store.reviews.dismiss("nobody", 1, NOW),
    ):
        with pytest.raises(RunGone):
            await change
    await store.runs.save_progress({"nobody": report(progress=0.5)}, NOW, SOON)
