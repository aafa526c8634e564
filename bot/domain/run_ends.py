"""Decide when a run counts as lost, as finished although ComfyDeploy hasn't said so, or as settled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain.runs import IN_FLIGHT, Output, Run, RunReport, RunState

# Webhooks have neither GPU nor duration; GET /run has them a little after the end.
SETTLE_AFTER = timedelta(seconds=5)
# The machine stops a run at the deployment's `run_timeout` and reports that itself, a little later.
DEADLINE_MARGIN = timedelta(minutes=2)
# The silence after which a run that has executed its last node counts as finished. Text-only runs never
# report their end; a file may still be encoded or uploaded.
_SILENCE_OF_TEXTS = timedelta(minutes=1)
_SILENCE_OF_FILES = timedelta(minutes=3)


def deadline_of(run: Run, run_timeout: int | None) -> datetime | None:
    """Return the time at which the run counts as lost, or None before the queue call.

    `run_timeout` is the deployment's, in seconds from the start of the run. This timeout can only shorten the
    bot's own deadline, which counts from the queue call.
    """
    if run.submitted_at is None:
        return None
    latest = run.submitted_at + timedelta(seconds=run.deadline_seconds)
    if not run_timeout or run_timeout < 0 or run.started_at is None:
        return latest
    return min(latest, run.started_at + timedelta(seconds=run_timeout) + DEADLINE_MARGIN)


def silence_at_end(outputs: Sequence[Output]) -> timedelta:
    """Return how long a run with these outputs may be silent after its last node."""
    return _SILENCE_OF_FILES if any(output.url is not None for output in outputs) else _SILENCE_OF_TEXTS


def is_silent_at_end(run: Run, report: RunReport, now: datetime) -> bool:
    """Return whether a run has finished although ComfyDeploy doesn't say so.

    All its nodes were executed, and its outputs have been the same for a while.
    """
    return (
        report.state in IN_FLIGHT
        and report.made_everything
        and run.outputs_since is not None
        and same_outputs(run.outputs, report.outputs)
        and now >= run.outputs_since + silence_at_end(report.outputs)
    )


def same_outputs(some: Sequence[Output], others: Sequence[Output]) -> bool:
    """Return whether two reports have the same outputs; the links are signed anew in each."""
    return [(o.kind, o.filename, o.text) for o in some] == [(o.kind, o.filename, o.text) for o in others]


def is_settled(run: Run, report: RunReport, now: datetime) -> bool:
    """Return whether an ended run needs no further poll.

    Polls fetch its billed duration and, if it has made nothing yet, outputs that the machine made after the
    end.
    """
    made = run.has_result or report.state is RunState.SUCCEEDED or bool(report.outputs)
    if run.ended_at is None:
        return made
    return (made and report.run_duration is not None) or now >= run.ended_at + SETTLE_AFTER
