"""A user opens private results one at a time, and only a few a minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.errors import RefusedError
from bot.services.openings import PER_MINUTE, OpeningLimiter

NOW = datetime(2026, 7, 24, 12, 0, tzinfo=UTC)


def code_for(limiter: OpeningLimiter, user_id: int) -> str | None:
    """Open and close a result for the user, and return the code of the refusal, or None."""
    try:
        with limiter.slot(user_id):
            return None
    except RefusedError as refused:
        return refused.code


def test_a_user_opens_one_result_at_a_time() -> None:
    limiter = OpeningLimiter(lambda: NOW)
    with limiter.slot(1):
        assert code_for(limiter, 1) == "open_busy"
        assert code_for(limiter, 2) is None
    assert code_for(limiter, 1) is None


def test_a_failed_opening_lets_the_next_one_begin() -> None:
    limiter = OpeningLimiter(lambda: NOW)
    with pytest.raises(OSError, match="disk"), limiter.slot(1):
        raise OSError("disk full")
    assert code_for(limiter, 1) is None


def test_a_user_opens_a_few_results_a_minute() -> None:
    now = NOW
    limiter = OpeningLimiter(lambda: now)
    codes = [code_for(limiter, 1) for _ in range(PER_MINUTE + 1)]
    assert codes == [None] * PER_MINUTE + ["open_often"]
    assert code_for(limiter, 2) is None
    now = NOW + timedelta(minutes=1)
    assert code_for(limiter, 1) is None
