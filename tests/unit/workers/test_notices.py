"""Notices to the owner: when they are sent, and by which process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.workers.notices import _next

START = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        # Minutes at which a trouble is looked at and seen (+) or not (-), and at which the owner is told.
        ("-0 -1 -9", ""),
        ("+0 +1 +30 +90", "0"),
        ("+0 -1 -4 -6 -20", "0 6"),
        # Another process still sees it.
        ("+0 -1 +2 -3 +4 -6 +8 -10", "0"),
        # At most once an hour, but the end is always told.
        ("+0 -6 +10 -11 -20 +59", "0 6"),
        ("+0 -6 +61 -70", "0 6 61 70"),
    ],
)
def test_the_owner_is_told_once_and_when_it_is_over(seen: str, told: str) -> None:
    stored: str | None = None
    minutes = []
    for look in seen.split():
        now = START + timedelta(minutes=int(look[1:]))
        stored, tells = _next(stored, is_seen=look[0] == "+", now=now)
        minutes += [look[1:]] if tells else []
    assert minutes == told.split()
