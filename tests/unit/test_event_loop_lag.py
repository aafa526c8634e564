"""The measurement of the event loop's lag, with an injected clock."""

from __future__ import annotations

import asyncio
import re

import pytest

from bot.metrics import PREFIX, Metrics


async def test_each_late_wake_up_is_measured_by_its_delay() -> None:
    now, delays = [100.0], [0.0, 0.2, 3.0]
    metrics = Metrics(lambda: now[0])

    async def sleep(seconds: float) -> None:
        if not delays:
            raise asyncio.CancelledError
        now[0] += seconds + delays.pop(0)

    with pytest.raises(asyncio.CancelledError):
        await metrics.watch_event_loop(sleep)
    shown = re.findall(rf"(?m)^{PREFIX}_event_loop_lag_seconds_(\S+) (\S+)", metrics.text().decode())
    found = {name: float(value) for name, value in shown}
    assert found['bucket{le="0.1"}'] == 1
    assert found['bucket{le="0.25"}'] == 2
    assert found["count"] == 3
    assert found["sum"] == pytest.approx(3.2)
