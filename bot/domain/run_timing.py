"""Decide by the clock when a run is polled, and when it counts as lost, finished or settled.

A run that has executed all its nodes counts as finished once its outputs haven't changed for a while, even if
ComfyDeploy hasn't reported its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain.runs import IN_FLIGHT, Output, Run, RunReport, RunState

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


def poll_after_report(run: Run, now: datetime, next_check: datetime) -> datetime | None:
    """Return when to poll a run that has just reported, or None if the report doesn't postpone its poll.

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


def is_silent_at_end(run: Run, report: RunReport, now: datetime) -> bool:
    """Return whether a run that made everything counts as finished without a report of its end."""
    return (
        report.state in IN_FLIGHT
        and report.made_everything
        and run.outputs_since is not None
        and same_outputs(run.outputs, report.outputs)
        and now >= run.outputs_since + silence_at_end(report.outputs)
    )


def same_outputs(some: Sequence[Output], others: Sequence[Output]) -> bool:
    """Return whether two reports have the same outputs. Links, which each report signs anew, are ignored."""
    return [(o.kind, o.filename, o.text) for o in some] == [(o.kind, o.filename, o.text) for o in others]


def next_settling(run: Run, report: RunReport, now: datetime) -> datetime | None:
    """Return when to poll a run that has ended for what `report` lacks, or None if nothing is missing.

    `run` may still have its state from before the end.
    """
    ended_at = run.ended_at or now
    log_reads = (ended_at + pause for pause in _LOG_READS if ended_at + pause > now)
    if report.log == "" and (next_read := next(log_reads, None)) is not None:
        return next_read
    # If the end is new, outputs are enough. Otherwise the billed duration must be known, too.
    is_settled = run.has_result or report.state is RunState.SUCCEEDED or bool(report.outputs)
    if run.ended_at is not None:
        has_all = is_settled and report.run_duration is not None
        is_settled = has_all or now >= run.ended_at + SETTLE_AFTER
    return None if is_settled else now + SETTLE_AFTER
