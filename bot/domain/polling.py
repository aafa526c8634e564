"""Decide when a run is polled next: while it is silent, at its end, and after the bot gave up on it."""

from __future__ import annotations

from datetime import timedelta

# A webhook is never earlier than the change that it reports, but often seconds later.
_QUIET_INTERVALS = 4
_LONGEST_PAUSE = 20  # polling intervals
SETTLE_CHECKS = 5
# How long the bot polls a run that it gave up on, because a late success is still shown. If this time ends
# during an outage, the run is polled once more afterwards.
LATE_CHECKS = timedelta(days=1)
# How long a cancelled run is polled while its state can't be read. The backend also accepts a cancel call for
# a run that has already succeeded.
CANCEL_DOUBT = timedelta(minutes=2)
# How many times the bot tries to stop a run that it gave up on.
CANCEL_TRIES = 3
# The pause between the last node's start and the first poll for outputs.
AFTER_LAST_NODE = timedelta(seconds=5)


def quiet_period(interval: timedelta, *, webhooks: bool) -> timedelta:
    """Return the time without a report after which a run is polled."""
    return interval * _QUIET_INTERVALS if webhooks else interval


def next_pause(interval: timedelta, checks: int) -> timedelta:
    """Return the pause after a poll; it doubles with each of the `checks` polls that found nothing new."""
    return interval * min(2.0 ** min(checks, 10), _LONGEST_PAUSE)
