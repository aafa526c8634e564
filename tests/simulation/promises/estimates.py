"""Promises: the expected times in status messages are plausible, judged by earlier runs.

The checker's own model knows ComfyDeploy's runs. It uses the shortest and longest success as bounds for the
bot's median.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

from demo.fake_comfydeploy.runs import Run
from tests.simulation.engine.boundaries import STATEMENTS
from tests.simulation.evidence import Evidence, Request, text_of
from tests.simulation.promises.facts import created, dated, ended, monotonic
from tests.simulation.promises.shared import Broken
from tests.simulation.world import DEPLOYMENTS

# The number of a deployment's successes that an estimate needs.
_NEEDED = 5
_EXPECTED = re.compile(r"Should be ready <t:(\d+):R>")
# Seconds by which the bot's knowledge and messages may lag.
_SLACK = 5.0
# Seconds from what the bot does about a webhook until its answer is noted, at most.
_NOTED = 0.05
# Parts of the statement that reads the durations of earlier runs, and the least seconds between two reads for
# one deployment on one GPU.
_DURATIONS = ("SELECT runs.submitted_at, runs.started_at, runs.ended_at", "state = 'succeeded'", "LIMIT")
_READ_EVERY = 19.0
_IDS = {
    name: each["deployment_id"]
    for name, each in tomllib.loads(DEPLOYMENTS.read_text(encoding="utf-8"))["deployments"].items()
}


class Shown(NamedTuple):
    """An estimate that people saw: the time since when it was shown, and the expected end."""

    since: float
    end: float


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    quiet = not evidence.story.struck
    for request in evidence.requests:
        for shown in _estimates(request):
            yield from _has_reasons(evidence, request, shown)
            if quiet:
                yield from _is_ahead(request, shown)
                yield from _covers_late_runs(evidence, request, shown)
    if quiet:
        yield from _durations_are_remembered(evidence)


def _estimates(request: Request) -> Iterator[Shown]:
    for message in request.messages:
        for since, body in dated(message):
            found = _EXPECTED.search(text_of(body))
            if found is not None:
                yield Shown(since, monotonic(int(found[1])))


def _successes(evidence: Evidence, deployment: str, at: float) -> list[float]:
    """Return the durations of a deployment's runs with outputs by a time."""
    return [
        (run.outputs[-1].created_at - run.created_at).total_seconds()
        for run in evidence.story.world.comfydeploy.runs
        if run.deployment.id == deployment
        and run.outputs
        and monotonic(run.outputs[0].created_at.timestamp()) <= at + 1
    ]


def _has_reasons(evidence: Evidence, request: Request, shown: Shown) -> Iterator[Broken]:
    """Check that there were enough successes; failures don't count."""
    if request.ask is None:
        return
    known = _successes(evidence, _IDS[request.ask.deployment], shown.since)
    if len(known) < _NEEDED:
        yield Broken("an estimate needs enough successes", request, f"{len(known)} before {shown}")


def _is_ahead(request: Request, shown: Shown) -> Iterator[Broken]:
    if shown.end < shown.since - 1:
        yield Broken("an estimate is in the future", request, str(shown))


def _covers_late_runs(evidence: Evidence, request: Request, shown: Shown) -> Iterator[Broken]:
    """Check that no estimate is shown while a run is late and reports no progress."""
    for run in request.runs:
        known = _successes(evidence, run.deployment.id, shown.since)
        begun = run.started_at or run.queued_at
        if begun is None or not known or not is_in_flight(run, shown.since):
            continue
        late = shown.since > monotonic(begun.timestamp()) + max(known) + _SLACK
        if late and run.started_at is not None and not _progress(evidence, run, shown.since):
            yield Broken("an estimate covers every run", request, f"{run.id} is late at {shown}")


def _progress(evidence: Evidence, run: Run, at: float) -> float:
    """Return the highest progress that webhooks reported of a run by a time.

    A webhook is noted when its answer has come, and the bot may act on it before.
    """
    attempts = evidence.story.world.comfydeploy.call_log.webhook_attempts
    told = [each.progress for each in attempts if each.run_id == run.id and monotonic(each.at) <= at + _NOTED]
    return max(told, default=0.0)


def is_in_flight(run: Run, at: float) -> bool:
    return created(run) <= at < ended(run)


def _durations_are_remembered(evidence: Evidence) -> Iterator[Broken]:
    """Check that durations of earlier runs are cached and not read for each status edit."""
    asks = evidence.story.asks
    pairs = {(ask.deployment, ask.options.get("gpu")) for ask in asks}
    for life, reads in STATEMENTS.reads.items():
        times = [at for at, sql in reads if all(word in sql for word in _DURATIONS)]
        for number, at in enumerate(times):
            near = sum(at <= other < at + _READ_EVERY for other in times[number:])
            if near > len(pairs) + 1:
                detail = f"{near} reads for {len(pairs)} deployments within {_READ_EVERY:g} s from {at:.0f}"
                yield Broken("durations are cached between status edits", str(life), detail)
                return
