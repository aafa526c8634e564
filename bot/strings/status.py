"""Titles, facts and button labels of status messages and outcomes, merged into `bot.strings.SENTENCES`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

STATUS: Mapping[str, str] = MappingProxyType(
    {
        "title_waiting": "Waiting for a free slot",
        "title_held": "Not started yet",
        "title_approval": "Waiting for approval",
        "title_submitting": "Starting",
        "title_machine": "Starting the machine",
        "title_queued": "In the queue",
        "title_running": "Generating",
        "title_uploading": "Finishing up",
        "title_cancelling": "Cancelling",
        "title_succeeded": "Done",
        "title_partial": "Partly done",
        "title_failed": "Failed",
        "title_cancelled": "Cancelled",
        "title_timed_out": "Timed out",
        "title_refused": "Not started",
        "title_rejected": "Not approved",
        "title_blocked": "Ended because of a block",
        "title_expired": "Nobody decided in time",
        "title_unconfirmed": "Not confirmed",
        "position": "number {position} in the queue",
        "position_far": "behind at least {ahead} others in the queue",
        "next_in_queue": "next in the queue",
        "position_alone": "Number {position} in the queue",
        "position_far_alone": "Behind at least {ahead} others in the queue",
        "next_in_queue_alone": "Next in the queue",
        "since": "requested <t:{at}:R>",
        # Worded to fit before and after that time: clients show "in 40 seconds", and later "5 seconds ago".
        "expected": "Result expected <t:{at}:R>",
        "took": "took {seconds} s",
        "counted": "counts as {seconds} s of daily usage",
        "charged_time": "the GPU time counts towards the daily usage",
        "charged_nothing": "doesn't count towards the daily usage",
        "gpu": "GPU {gpu}",
        "seed": "seed {seed}",
        "button_cancel": "Cancel",
        "button_again": "Again",
        "button_try_again": "Try again",
    }
)
