"""Share the fixtures of `tests/discord`, and give the fake ComfyDeploy the bot's clock.

A run that is held for a minute of the bot's time then costs a minute.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.discord.conftest import (
    bot,
    clock,
    mona,
    pytest_collection_modifyitems,
    runner,
    server,
    shares,
    simcord_bot,
    wanted,
)
from tests.harness import QUICK, Clock

__all__ = [
    "bot",
    "clock",
    "mona",
    "pytest_collection_modifyitems",
    "runner",
    "server",
    "shares",
    "simcord_bot",
]


@pytest.fixture
def comfydeploy(request: pytest.FixtureRequest, clock: Clock) -> FakeComfyDeploy:
    """Return a fake ComfyDeploy that isn't started; `comfydeploy` in the marker holds its arguments."""

    def now() -> datetime:
        # The service cuts the seconds off a webhook's times that have no fraction.
        return clock() + timedelta(milliseconds=1)

    return FakeComfyDeploy(**QUICK | {"now": now} | wanted(request).get("comfydeploy", {}))
