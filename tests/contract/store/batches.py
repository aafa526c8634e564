"""Batches of runs, brought to a state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from random import SystemRandom
from typing import Any

from bot.domain.requests import batch_of
from bot.domain.runs import Output, Run, RunReport, RunState
from bot.store import Store
from tests.contract.store.runs import NOW, SOON, accept, fetch, kinds, request, take


def asked(count: int = 3, **changes: Any) -> list[Run]:
    """Return the new runs of a batch: the same with different seeds."""
    return batch_of(
        request(**changes),
        [({"prompt": "a lighthouse", "seed": n}, n) for n in range(count)],
        SystemRandom(),
    )


async def accepted(store: Store, count: int = 3, *, now: datetime = NOW, **changes: Any) -> list[Run]:
    """Return a batch of waiting runs whose status message is shown."""
    lead = await accept(store, *asked(count, **changes), now=now)
    await store.messages.answered(lead.key, 77, NOW)
    return list(await store.runs.batch(lead))


async def running(store: Store, count: int = 3, **changes: Any) -> list[Run]:
    runs = await accepted(store, count, **changes)
    for run in runs:
        assert await take(store) is not None
        await store.runs.record_report(run.key, said(run, RunState.RUNNING), NOW, SOON)
    return [await fetch(store, run.key) for run in runs]


def said(run: Run, state: RunState, **more: Any) -> RunReport:
    """Return ComfyDeploy's report about one run of the batch."""
    return RunReport(run_id=f"run-{run.key}", state=state, **more)


def success(run: Run) -> RunReport:
    made = Output("images", url=f"https://outputs.example/{run.key}.png", filename="a.png")
    return said(run, RunState.SUCCEEDED, outputs=(made,))


async def ended(store: Store, *runs: Run, now: datetime = NOW) -> None:
    for run in runs:
        await store.runs.record_report(run.key, success(run), now, SOON)


async def kinds_of_each(store: Store, runs: Sequence[Run]) -> list[list[str]]:
    return [await kinds(store, run.key) for run in runs]
