"""Notices to the owner: when they are sent, and by which process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.context import Trouble
from bot.workers.notices import look

START = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        # Minutes at which a trouble is looked at and seen (+) or not (-), and at which the owner is told.
        ("-0 -1 -9", ""),
        ("+0 +1 +30 +90", "0"),
        ("+0 -1 -29 -30 -60", "0 30"),
        # Another process still sees it, or it comes and goes.
        ("+0 -1 +16 -45", "0"),
        ("+0 -1 +15 -31 -45", "0 45"),
        ("+0 -31 +32 -70", "0 31 32 70"),
    ],
)
def test_the_owner_is_told_once_and_when_it_is_over(seen: str, told: str) -> None:
    stored: str | None = None
    minutes = []
    for one in seen.split():
        now = START + timedelta(minutes=int(one[1:]))
        stored, news = look(stored, seen={Trouble.DISK} if one[0] == "+" else set(), now=now)
        assert news in ([], [(Trouble.DISK, one[0] == "+")])
        minutes += [one[1:]] if news else []
    assert minutes == told.split()
