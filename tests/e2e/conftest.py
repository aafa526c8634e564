"""Fixtures of the tests that start bot processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.bot_process import BotProcess, bot_process


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["forked", "cold"])
def cold(request: pytest.FixtureRequest) -> bool:
    """Return whether each start is a `python -m bot`: the same kills at six times the cost."""
    return bool(request.param)


@pytest.fixture
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BotProcess]:
    """Build a bot process that is not started yet; the marker `bot` holds its settings and its `speed`."""
    marker = request.node.get_closest_marker("bot")
    settings = dict(marker.kwargs) if marker else {}
    speed = settings.pop("speed", 1.0)
    cold = "cold" in request.fixturenames and request.getfixturevalue("cold")
    async with bot_process(tmp_path, cold=cold, **settings) as built:
        built.speed = speed
        yield built
