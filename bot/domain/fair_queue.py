"""The fair queue, and estimates of when its runs end.

Users take turns, so that one user's many requests don't delay everyone else's. This is start-time fair
queueing (Goyal et al., 1996): each deployment has a queue with a virtual time, which is the largest tag that
was claimed. Each run gets a tag when it is accepted or approved, and the smallest tag starts first. So a
user's runs are one turn apart, and a user who comes back starts at the virtual time.

The estimates follow from the queue and from earlier runs of the same deployment on the same GPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from statistics import median
from typing import NamedTuple

from bot.domain.runs import FINAL, NOT_SUBMITTED, Run, RunState

# Medians are taken from the newest SAMPLE successes within WINDOW, if there are at least NEEDED.
WINDOW = timedelta(days=30)
NEEDED = 5
SAMPLE = 100
# An edit may be delayed by three seconds, so a shorter remaining time would be over before it is read.
SHORTEST = timedelta(seconds=5)


class Success(NamedTuple):
    """The times of an earlier run that succeeded. `started_at` is None if it was never seen running.

    `billed` are the seconds that the run took, or None if they are unknown or in doubt.
    """

    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime
    billed: float | None = None


@dataclass(frozen=True, slots=True)
class Medians:
    """The usual durations of a run, until its result is reported.

    `total` counts from the queue call, `execute` from the start at the backend. `billed` are the seconds to
    reserve for a run, or None if too few are known.
    """

    total: timedelta
    execute: timedelta
    billed: float | None = None


@dataclass(frozen=True, slots=True)
class QueueState:
    """The first waiting runs of one deployment, in order, and the runs in flight of all deployments.

    `medians` is keyed by deployment and GPU.
    """

    waiting: Sequence[QueuedRun] = ()
    in_flight: Sequence[QueuedRun] = ()
    medians: Mapping[tuple[str, str | None], Medians | None] = field(default_factory=dict)

    def medians_of(self, run: QueuedRun) -> Medians | None:
        return self.medians.get((run.deployment, run.expected_gpu))


def medians_of(successes: Sequence[Success]) -> Medians | None:
    """Return the medians of these runs, or None if there are fewer than NEEDED."""
    if len(successes) < NEEDED:
        return None
    billed = [each.billed for each in successes if each.billed is not None]
    return Medians(
        _median([each.ended_at - each.submitted_at for each in successes]),
        _median([each.ended_at - (each.started_at or each.submitted_at) for each in successes]),
        median(billed) if len(billed) >= NEEDED else None,
    )


def _median(durations: Sequence[timedelta]) -> timedelta:
    return timedelta(seconds=median(each.total_seconds() for each in durations))


def may_be_estimated(run: Run) -> bool:
    """Return whether a run's end depends only on the queue and the machine, not on a person or a rule."""
    decided = run.state is not RunState.AWAITING_APPROVAL and run.waiting_code is None
    return decided and run.cancel_requested_at is None


def expected_end(run: Run | QueuedRun, usual: Medians, now: datetime, slots: int | None) -> datetime | None:
    """Return when a run in flight should end. Return None if the run has no queue call yet, or if it is late
    and its progress allows no estimate.

    `slots` is how many runs of its deployment the backend executes at the same time; None counts as 1.
    Progress is a share of nodes, not of time, so it is used only for a late run.
    """
    if run.submitted_at is None:
        return None
    if run.started_at is None:
        ahead = (run.queue_position or 1) - 1
        return max(run.submitted_at + usual.total, now + usual.execute * (1 + ahead / (slots or 1)))
    at = run.started_at + usual.execute
    if at <= now and run.progress:
        at = now + usual.execute * (1 - run.progress)
    return at if at > now else None


def expected_starts(queue: QueueState, now: datetime, slots: int | None) -> Mapping[str, datetime]:
    """Return when each waiting run of a deployment should start, by key; runs with an unknown start are
    missing.

    In the simulation, each run takes its usual time. Its place then goes to the next run in the queue that
    the limits of requesters and servers allow. A run whose end isn't known keeps its place.
    """
    occupied = Occupied(queue.in_flight)
    ends = [(end, run) for run in queue.in_flight if (end := _end(queue, run, now, slots))]
    heapify(ends)
    waiting, starts, limited = list(queue.waiting), dict[str, datetime](), _limited(queue.waiting)
    at: datetime | None = now
    while waiting and at is not None:
        for run in _startable(waiting, occupied, slots):
            starts[run.key] = at
            if usual := queue.medians_of(run):
                heappush(ends, (at + usual.total, run))
        waiting = [run for run in waiting if run.key not in starts]
        at = _room_at(ends, occupied, limited, slots)
    return starts


def _room_at(
    ends: list[tuple[datetime, QueuedRun]],
    occupied: Occupied,
    limited: frozenset[object],
    slots: int | None,
) -> datetime | None:
    """Remove runs in the order of their ends, until one makes room for a waiting run.

    Return when that run ends, or None if no run makes room.
    """
    while ends:
        at, ended = heappop(ends)
        makes_room = occupied.is_full(ended.deployment, slots) or not limited.isdisjoint(places(ended))
        occupied.remove(ended)
        if makes_room:
            return at
    return None


def _limited(waiting: Iterable[QueuedRun]) -> frozenset[object]:
    """Return the users and servers whose limits may keep a run waiting."""
    users = {places(run)[1] for run in waiting if run.user_limit is not None}
    return frozenset(users | {run.guild_id for run in waiting if run.server_limit is not None})


def _end(queue: QueueState, run: QueuedRun, now: datetime, slots: int | None) -> datetime | None:
    usual = queue.medians_of(run)
    return expected_end(run, usual, now, slots) if usual is not None else None


def _startable(waiting: Iterable[QueuedRun], occupied: Occupied, slots: int | None) -> Iterator[QueuedRun]:
    """Yield the waiting runs that may start, in order, and add each to `occupied`."""
    for run in waiting:
        if occupied.is_full(run.deployment, slots):
            return
        if occupied.allows(run):
            occupied.add(run)
            yield run


def end_of_all(ends: Sequence[datetime | None], now: datetime) -> datetime | None:
    """Return when the last run of a batch should end. Return None if the end of any run is unknown, or if the
    last end is too soon to show.
    """
    known = [end for end in ends if end is not None]
    if not known or len(known) < len(ends):
        return None
    return max(known) if max(known) - now >= SHORTEST else None


# A queue's virtual time before the first claim. The tag of a run that takes no turn is smaller.
FIRST_TURN = 1
NO_TURN = 0
# How many places at the front of a queue are counted; all runs behind them share the next place.
PLACES = 50


class QueuedRun(NamedTuple):
    """A run that waits or is in flight. `user_limit` and `server_limit` limit runs in flight."""

    key: str
    deployment: str
    requester_id: int
    guild_id: int | None = None
    user_limit: int | None = None
    server_limit: int | None = None
    expected_gpu: str | None = None
    queue_position: int | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    progress: float | None = None


def next_tag(virtual_time: int, last_tag: int) -> int:
    """Return the tag of a user's next run. `last_tag` is that of the run before, or NO_TURN."""
    return max(virtual_time, last_tag + 1)


def gives_turn_back(before: RunState, after: RunState) -> bool:
    """Return whether a run ends without having been started, so that it costs its user no turn."""
    return after in FINAL and (before in NOT_SUBMITTED or after is RunState.REFUSED)


class Occupied:
    """Counts runs in flight by deployment, user and server, and compares them with the limits."""

    def __init__(self, busy: Iterable[QueuedRun]) -> None:
        self._counts = Counter[object]()
        for run in busy:
            self.add(run)

    def add(self, run: QueuedRun) -> None:
        self._counts.update(places(run))

    def remove(self, run: QueuedRun) -> None:
        self._counts.subtract(places(run))

    def is_full(self, deployment: str, limit: int | None) -> bool:
        """Return whether a deployment is at its limit."""
        return limit is not None and self._counts[deployment] >= limit

    def allows(self, run: QueuedRun) -> bool:
        """Return whether a run may start within the limits of its user and its server."""
        own, here = run.user_limit, run.server_limit
        return (own is None or self._counts[run.guild_id, run.requester_id] < own) and (
            here is None or self._counts[run.guild_id] < here
        )


def lower_limit(of_deployment: int | None, of_operator: int | None) -> int | None:
    """Return the lower of two limits on a deployment's runs in flight, or None if neither is set."""
    return min((limit for limit in (of_deployment, of_operator) if limit), default=None)


def places(run: QueuedRun) -> tuple[object, object, object]:
    """Return the keys under which a run is counted, for its deployment, its user and its server."""
    return run.deployment, (run.guild_id, run.requester_id), run.guild_id
