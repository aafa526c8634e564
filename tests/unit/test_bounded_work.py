"""Work on what members and server owners send is bounded by lengths that are checked first."""

from __future__ import annotations

import asyncio

import pytest

from bot.deployments.choices import find_choice
from bot.deployments.schema import Choice
from bot.domain.text import NUMBER_LENGTH
from bot.metrics import PREFIX, Metrics
from bot.words.rules import compile_pattern


@pytest.mark.parametrize("length", [NUMBER_LENGTH, NUMBER_LENGTH + 1])
def test_only_a_short_text_is_read_as_a_number(length: int) -> None:
    """Two hundred choices and 6,000 digits stopped the bot for nearly two minutes."""
    digits = "1" * (length - 2)
    found = find_choice((Choice(name="large", value=f"{digits}.0"),), digits + ".")
    assert (found is not None) is (length <= NUMBER_LENGTH)


@pytest.mark.parametrize("pattern", [r"(?i)\pL{250}", r"(?i)(?:\pL\pN\pS){80}", r"\PL{1000}"])
def test_a_pattern_that_takes_long_to_compile_is_refused_within_little_memory(pattern: str) -> None:
    assert compile_pattern(pattern) is None


async def test_each_late_wake_up_is_measured_by_its_delay() -> None:
    now, delays = [100.0], [0.0, 0.2, 3.0]
    metrics = Metrics(lambda: now[0])

    async def sleep(seconds: float) -> None:
        if not delays:
            raise asyncio.CancelledError
        now[0] += seconds + delays.pop(0)

    with pytest.raises(asyncio.CancelledError):
        await metrics.watch_event_loop(sleep)
    lag, value = f"{PREFIX}_event_loop_lag_seconds", metrics.registry.get_sample_value
    assert [value(f"{lag}_bucket", {"le": each}) for each in ("0.1", "0.25")] == [1, 2]
    assert value(f"{lag}_sum") == pytest.approx(3.2)
