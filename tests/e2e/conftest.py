"""The fixture of the tests that start bot processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.bot_process import BotProcess, bot_process


@pytest.fixture
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BotProcess]:
    """Build a bot process that is not started yet; the marker `bot` holds its settings and its `speed`."""
    marker = request.node.get_closest_marker("bot")
    settings = dict(marker.kwargs) if marker else {}
    speed = settings.pop("speed", 1.0)
    async with bot_process(tmp_path, **settings) as built:
        built.speed = speed
        yield built
