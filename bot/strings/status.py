"""Titles, facts and button labels of status messages and outcomes, merged into `bot.strings.SENTENCES`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

STATUS: Mapping[str, str] = MappingProxyType(
    {
        "title_waiting": "Waiting for a free slot",
        "title_next": "Up next",
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
        "position_alone": "Number {position} in the queue",
        "position_far_alone": "Behind at least {ahead} others in the queue",
        "since": "requested <t:{at}:R>",
        # Worded to fit before and after that time: clients show "in 40 seconds", and later "5 seconds ago".
        "expected": "Should be ready <t:{at}:R>",
        "took": "took {seconds} s",
        "counted": "counts as {seconds} s of your daily GPU time",
        "charged_time": "{seconds} s of your GPU time was used",
        "charged_nothing": "no GPU time was used",
        "charged_nothing_cancelled": "cancelled in time: nothing was used",
        "pixels": "{width} × {height}",
        "gpu": "GPU {gpu}",
        "seed": "seed {seed}",
        "button_cancel": "Cancel",
        "button_again": "Again",
        "button_try_again": "Try again",
    }
)
