"""The bot stays below Discord's global limit."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from bot.delivery.pace.request_pace import RequestPace

LIMIT = 50


@given(st.lists(st.sampled_from([0.0, 0.001, 0.02, 0.3, 2.0]), min_size=1, max_size=200))
def test_no_second_has_more_requests_than_discord_allows(pauses: list[float]) -> None:
    pace = RequestPace()
    sent = [now + pace.delay(now) for now in accumulate(pauses, initial=1000.0)]
    assert sent == sorted(sent)
    for index, first in enumerate(sent):
        assert sum(first <= at < first + 1 - 1e-6 for at in sent[index:]) <= LIMIT


def test_a_few_requests_at_once_wait_for_nothing() -> None:
    pace = RequestPace()
    assert [pace.delay(1000.0) for _ in range(4)] == [0.0] * 4
    pace.delay(1000.0)
    assert pace.delay(1000.0) > 0.01
    assert pace.delay(2000.0) == 0
