"""Promises: no limit of a person, a deployment or the operator is exceeded, by the checker's own sums."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from demo.fake_comfydeploy.call_log import QueueCall
from demo.fake_comfydeploy.runs import Run
from tests.simulation.evidence import Evidence, Request, key_of, text_of
from tests.simulation.promises.facts import monotonic
from tests.simulation.promises.shared import Broken
from tests.simulation.promises.usage import MIDNIGHT, cost, least_reserve
from tests.simulation.setup import AT_ONCE, LIMITS, RUNS_A_DAY

# After these outcomes a run may still be executing at ComfyDeploy.
_OUT_OF_SIGHT = ("Not confirmed", "Timed out", "Cancelled")
# The number of a person's failed runs per day that don't count as runs.
_GIVEN_BACK = 3
# A run is charged to the day of its claim, which may be this much earlier than its queue call.
_AFTER_MIDNIGHT = timedelta(minutes=2)


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    by_deployment: dict[str, list[Run]] = defaultdict(list)
    by_person: dict[str, list[Run]] = defaultdict(list)
    for request in evidence.requests:
        if _is_out_of_sight(request):
            continue
        for run in filter(_can_be_stopped, request.runs):
            by_deployment[run.deployment.id].append(run)
            if request.ask is not None and _is_in_studio(evidence, request):
                by_person[request.ask.who].append(run)
    for runs in by_deployment.values():
        limit, name = runs[0].deployment.concurrency_limit, runs[0].deployment.name
        if (most := most_at_once(runs)) > limit:
            yield Broken("no ceiling is exceeded", name, f"{most} runs at once, the limit is {limit}")
    if not _settings_changed(evidence):
        yield from _people(by_person)
        yield from _runs_a_day(evidence)
    yield from _operators_ceiling(evidence)


def _operators_ceiling(evidence: Evidence) -> Iterator[Broken]:
    """Check that no run starts if the day's used and reserved seconds leave no room for it."""
    ceiling = evidence.story.world.seconds_a_day
    if ceiling is None or evidence.story.had("clock is set"):
        return
    starts = [
        (monotonic(call.at), request, key_of(call))
        for request in evidence.requests
        for call in filter(may_be_executed, request.calls)
        if request.ask is not None and monotonic(call.at) < MIDNIGHT
    ]
    starts.sort(key=lambda start: start[0])
    for number, (at, request, _) in enumerate(starts):
        before = (cost(evidence, each, key, at) for _, each, key in starts[:number])
        used = sum(each.seconds for each in before)
        if used + least_reserve(evidence, at) > ceiling:
            yield Broken("no ceiling is exceeded", request, f"{used:.0f} s were used of {ceiling}")
            return


def may_be_executed(call: QueueCall) -> bool:
    """Return whether, as far as the bot knows, ComfyDeploy may execute the run of a queue call."""
    return call.status is None or not 400 <= call.status < 500


def _runs_a_day(evidence: Evidence) -> Iterator[Broken]:
    """Check the runs per day of each person in Studio, whatever happened to the runs."""
    if evidence.story.had("clock is set"):
        return
    counted, failed = Counter[tuple[str, date]](), Counter[tuple[str, date]]()
    for request in evidence.requests:
        if request.ask is None or not _is_in_studio(evidence, request):
            continue
        runs = {run.id: run for run in request.runs}
        for call in filter(may_be_executed, request.calls):
            own = [runs[run_id] for run_id in call.run_ids if run_id in runs]
            counts = failed if own and all(map(_failed, own)) else counted
            counts.update((request.ask.who, day) for day in _day(call))
    for (who, day), number in counted.items():
        most = number + max(0, failed[who, day] - _GIVEN_BACK)
        if most > RUNS_A_DAY:
            yield Broken("no ceiling is exceeded", who, f"{most} runs on {day}, the limit is {RUNS_A_DAY}")


def _day(call: QueueCall) -> list[date]:
    """Return the day to which a queue call is charged, or an empty list shortly after midnight."""
    at = datetime.fromtimestamp(call.at, UTC)
    return [at.date()] if (at - _AFTER_MIDNIGHT).date() == at.date() else []


def _failed(run: Run) -> bool:
    return run.status == "failed" and not run.outputs


def _people(by_person: dict[str, list[Run]]) -> Iterator[Broken]:
    for who, runs in by_person.items():
        if (most := most_at_once(runs)) > AT_ONCE:
            yield Broken("no ceiling is exceeded", who, f"{most} runs at once, the limit is {AT_ONCE}")


def most_at_once(runs: Iterable[Run]) -> int:
    """Return the largest number of these runs that existed at the same instant."""
    changes = []
    for run in runs:
        changes.append((run.created_at.replace(tzinfo=None), 1))
        if run.ended_at is not None:
            changes.append((run.ended_at.replace(tzinfo=None), -1))
    most = now = 0
    # An end precedes a start of the same instant.
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def _is_out_of_sight(request: Request) -> bool:
    """Return whether ComfyDeploy may execute a run that the bot doesn't know of or has given up."""
    if any(call.status != 200 for call in request.calls):
        return True
    return any(word in text_of(message.body) for message in request.messages for word in _OUT_OF_SIGHT)


def _can_be_stopped(run: Run) -> bool:
    """Return whether a run ends when the bot cancels it. The bot stops waiting for other runs."""
    return run.faults.cancel_supported and not run.faults.success_after_cancel


def _is_in_studio(evidence: Evidence, request: Request) -> bool:
    assert request.ask is not None
    return request.ask.interaction.channel.guild is evidence.story.world.cast.guilds["studio"]


def _settings_changed(evidence: Evidence) -> bool:
    return any(press.custom_id.startswith(LIMITS) for press in evidence.story.presses)
