"""How long a silent run is left alone, with webhooks and without."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.polling import next_pause, quiet_period

INTERVAL = timedelta(seconds=15)


def test_with_webhooks_a_run_may_be_silent_for_longer() -> None:
    assert quiet_period(INTERVAL, webhooks=True) == timedelta(seconds=60)
    assert quiet_period(INTERVAL, webhooks=False) == INTERVAL


def test_the_pause_doubles_up_to_twenty_intervals() -> None:
    pauses = [next_pause(INTERVAL, checks) / INTERVAL for checks in (0, 1, 2, 3, 4, 5, 6, 11, 100_000)]
    assert pauses == [1, 2, 4, 8, 16, 20, 20, 20, 20]
