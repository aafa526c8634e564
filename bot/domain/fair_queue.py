"""The fair queue, and estimates of when its runs end.

Users take turns, so that one user's many requests don't delay everyone else's. This is start-time fair
queueing (Goyal et al., 1996): each deployment has a queue with a virtual time, which is the largest tag that
was claimed. Each run gets a tag when it is accepted or approved, and the smallest tag starts first. So a
user's runs are one turn apart, and a user who comes back starts at the virtual time.

The estimates follow from the queue and from earlier runs of the same deployment on the same GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heapreplace
from statistics import median
from typing import NamedTuple

from bot.domain.runs import Run, RunState

# Medians are taken from the newest SAMPLE successes within WINDOW, if there are at least NEEDED.
WINDOW = timedelta(days=30)
NEEDED = 5
SAMPLE = 100
# An edit may be delayed by three seconds, so a shorter remaining time would be over before it is read.
SHORTEST = timedelta(seconds=5)


class Success(NamedTuple):
    """The times of an earlier run that succeeded. `started_at` is None if it was never seen running."""

    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Medians:
    """The usual durations of a run, until its result is reported.

    `total` counts from the queue call, `execute` from the start at the backend.
    """

    total: timedelta
    execute: timedelta


class StartedRun(NamedTuple):
    """What is known about a run in flight."""

    expected_gpu: str | None = None
    queue_position: int | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    progress: float | None = None


def medians_of(successes: Sequence[Success]) -> Medians | None:
    """Return the medians of these runs, or None if there are fewer than NEEDED."""
    if len(successes) < NEEDED:
        return None
    total = [(each.ended_at - each.submitted_at).total_seconds() for each in successes]
    execute = [(each.ended_at - (each.started_at or each.submitted_at)).total_seconds() for each in successes]
    return Medians(timedelta(seconds=median(total)), timedelta(seconds=median(execute)))


def may_be_estimated(run: Run) -> bool:
    """Return whether a run's end depends only on the queue and the machine, not on a person or a rule."""
    decided = run.state is not RunState.AWAITING_APPROVAL and run.waiting_code is None
    return decided and run.cancel_requested_at is None


def expected_end(run: Run | StartedRun, usual: Medians, now: datetime, slots: int | None) -> datetime | None:
    """Return when a run in flight should end, or None without a queue call or an estimate.

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


def expected_start(position: int, free_at: Sequence[datetime], usual: Medians) -> datetime | None:
    """Return when the waiting run at a position of its queue should start, or None if no slot gets free.

    `free_at` says when each slot of the deployment is free. Each run ahead takes its usual time in the first
    one. The limits of users and servers, which may let others pass, are left out.
    """
    slots = list(free_at)
    heapify(slots)
    for _ in range(position - 1 if slots else 0):
        heapreplace(slots, slots[0] + usual.total)
    return slots[0] if slots else None


def end_of_all(ends: Sequence[datetime | None], now: datetime) -> datetime | None:
    """Return when the last run of a batch should end, or None if that is unknown or too soon to show."""
    known = [end for end in ends if end is not None]
    if not known or len(known) < len(ends):
        return None
    return max(known) if max(known) - now >= SHORTEST else None


# A queue's virtual time before the first claim. The tag of a run that takes no turn is smaller.
FIRST_TURN = 1
NO_TURN = 0
# How many places at the front of a queue are counted; all runs behind them share the next place.
PLACES = 50


def next_tag(virtual_time: int, last_tag: int) -> int:
    """Return the tag of a user's next run. `last_tag` is that of the run before, or NO_TURN."""
    return max(virtual_time, last_tag + 1)
