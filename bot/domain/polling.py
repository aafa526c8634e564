"""The polling schedule of runs: while silent, at the end, and after the bot gave up on them."""

from __future__ import annotations

from datetime import timedelta

# A webhook is never earlier than the change that it reports, but often seconds later.
_QUIET_INTERVALS = 4
_LONGEST_PAUSE = 20  # polling intervals
# Webhooks have neither GPU nor duration; GET /run has them a little after the end.
SETTLE_AFTER = timedelta(seconds=5)
SETTLE_CHECKS = 5
# How long the bot polls a run that it gave up on, and once more after an outage: a late success is still
# shown.
LATE_CHECKS = timedelta(days=1)
# How long a cancelled run is polled while its state can't be read. The backend also accepts a cancel call for
# a run that has already succeeded.
CANCEL_DOUBT = timedelta(minutes=2)


def quiet_period(interval: timedelta, *, webhooks: bool) -> timedelta:
    """Return the time without a report after which a run is polled."""
    return interval * _QUIET_INTERVALS if webhooks else interval


def next_pause(interval: timedelta, checks: int) -> timedelta:
    """Return the pause after a poll; it doubles with each of the `checks` polls that found nothing new."""
    return interval * min(2.0 ** min(checks, 10), _LONGEST_PAUSE)
