"""Decide when a run is polled, given up, finished and expected to end, and whose turn it is to start.

A run that has executed all its nodes counts as finished once its outputs haven't changed for a while, even if
ComfyDeploy hasn't reported its end.

Users take turns, so that one user's many requests don't delay everyone else's. This is start-time fair
queueing (Goyal et al., 1996): each deployment has a queue with a virtual time, which is the largest tag that
was claimed. Each run gets a tag when it is accepted or approved, and the smallest tag starts first. So a
user's runs are one turn apart, and a user who comes back starts at the virtual time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heapreplace
from statistics import median
from typing import NamedTuple

from bot.domain.runs import IN_FLIGHT, Output, Run, RunState, RunUpdate

# Webhooks often arrive seconds late, so with webhooks a run is polled only after this many quiet intervals.
QUIET_INTERVALS = 4
_LONGEST_PAUSE = 20  # polling intervals
SETTLE_CHECKS = 5
# How long after its end a run that the bot gave up on is polled for a late success. If this time ends during
# an outage, the run is polled once more afterwards.
LATE_CHECKS = timedelta(days=1)
# How long a cancelled run is polled while its state can't be read. The backend also accepts a cancel call for
# a run that has already succeeded.
CANCEL_DOUBT = timedelta(minutes=2)
# How many times the bot tries to stop a run that it gave up on.
CANCEL_TRIES = 3
# How long a queue call may take. It gets more than 60 seconds, since ComfyDeploy needs up to 55 to report a
# hanging machine.
QUEUE_CALL_SECONDS = 120
# The pause between the last node's start and the first poll for outputs.
AFTER_LAST_NODE = timedelta(seconds=5)
# Webhooks have neither GPU nor duration; GET /run has them a little after the end.
SETTLE_AFTER = timedelta(seconds=5)
# How long after the end a failed run's log is read again, if there is none yet. ComfyDeploy archives a log
# five to thirty seconds after its last line.
_LOG_READS = (timedelta(seconds=10), timedelta(seconds=30))
# The machine stops a run at the deployment's `run_timeout` and reports that itself, a little later.
DEADLINE_MARGIN = timedelta(minutes=2)
# The silence after which a run that has executed its last node counts as finished. Text-only runs never
# report their end; a file may still be encoded or uploaded.
_SILENCE_OF_TEXTS = timedelta(minutes=1)
_SILENCE_OF_FILES = timedelta(minutes=3)
# How many seconds ComfyDeploy's duration may exceed the time since the queue call, as the clocks differ.
_CLOCKS_DIFFER = 60.0
# Medians are taken from the newest SAMPLE successes within WINDOW, if there are at least NEEDED.
WINDOW = timedelta(days=30)
NEEDED = 5
SAMPLE = 100
# An edit may be delayed by three seconds, so a shorter remaining time would be over before it is read.
SHORTEST = timedelta(seconds=5)
# A queue's virtual time before the first claim. The tag of a run that takes no turn is smaller.
FIRST_TURN = 1
NO_TURN = 0
# How many places at the front of a queue are counted; all runs behind them share the next place.
PLACES = 50


def deadline_of(run: Run) -> datetime | None:
    """Return the time at which the bot gives up on the run, or None before the queue call.

    The bot's own deadline counts from the queue call. The deployment's `run_timeout` counts from the start of
    the run; with DEADLINE_MARGIN added, it can only shorten the deadline.
    """
    if run.submitted_at is None:
        return None
    latest = run.submitted_at + timedelta(seconds=run.deadline_seconds)
    if not run.run_timeout or run.started_at is None:
        return latest
    return min(latest, run.started_at + timedelta(seconds=run.run_timeout) + DEADLINE_MARGIN)


def next_poll(run: Run, now: datetime, interval: timedelta) -> datetime:
    """Return when to poll a run again if this poll finds nothing new, at the latest at its deadline.

    The pause doubles with each of these polls, up to `_LONGEST_PAUSE` intervals.
    """
    later = now + interval * min(2.0 ** min(run.checks, 10), _LONGEST_PAUSE)
    deadline = deadline_of(run) if run.state in IN_FLIGHT and run.run_id is not None else None
    return min(later, deadline) if deadline is not None and deadline > now else later


def poll_after_update(run: Run, now: datetime, next_check: datetime) -> datetime | None:
    """Return when to poll a run that has just reported, or None if the update doesn't postpone its poll.

    That is `next_check`, but a run in flight that reports all the time is still cancelled, and ended at its
    deadline.
    """
    deadline = deadline_of(run)
    if run.state not in IN_FLIGHT or deadline is None:
        return next_check
    if run.cancel_requested_at is not None or run.failure_code is not None or deadline <= now:
        return None
    return min(next_check, deadline)


def silence_at_end(outputs: Sequence[Output]) -> timedelta:
    """Return how long these outputs must stay unchanged after the last node until the run is finished."""
    return _SILENCE_OF_FILES if any(output.url is not None for output in outputs) else _SILENCE_OF_TEXTS


def is_silent_at_end(run: Run, update: RunUpdate, now: datetime) -> bool:
    """Return whether a run that made everything counts as finished without an update of its end."""
    return (
        update.state in IN_FLIGHT
        and update.made_everything
        and run.outputs_since is not None
        and same_outputs(run.outputs, update.outputs)
        and now >= run.outputs_since + silence_at_end(update.outputs)
    )


def same_outputs(some: Sequence[Output], others: Sequence[Output]) -> bool:
    """Return whether two updates have the same outputs. Links, which each update signs anew, are ignored."""
    return [(o.kind, o.filename, o.text) for o in some] == [(o.kind, o.filename, o.text) for o in others]


def next_settling(run: Run, update: RunUpdate, now: datetime) -> datetime | None:
    """Return when to poll a run that has ended for what `update` lacks, or None if nothing is missing.

    `run` may still have its state from before the end.
    """
    ended_at = run.ended_at or now
    log_reads = (ended_at + pause for pause in _LOG_READS if ended_at + pause > now)
    if update.log == "" and (next_read := next(log_reads, None)) is not None:
        return next_read
    # If the end is new, outputs are enough. Otherwise the billed duration must be known, too.
    is_settled = run.has_result or update.state is RunState.SUCCEEDED or bool(update.outputs)
    if run.ended_at is not None:
        has_all = is_settled and update.run_duration is not None
        is_settled = has_all or now >= run.ended_at + SETTLE_AFTER
    return None if is_settled else now + SETTLE_AFTER


def billed_seconds(run: Run, update: RunUpdate, now: datetime) -> float | None:
    """Return the duration that ComfyDeploy reports, or None.

    It is at most the time since the queue call, because a wrong figure could use up everybody's budget.
    """
    if update.run_duration is None:
        return None
    elapsed = max(0.0, (now - (run.submitted_at or run.created_at)).total_seconds())
    return min(update.run_duration, elapsed + _CLOCKS_DIFFER)


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


def next_tag(virtual_time: int, last_tag: int) -> int:
    """Return the tag of a user's next run. `last_tag` is that of the run before, or NO_TURN."""
    return max(virtual_time, last_tag + 1)
