"""The fixture of the tests that start bot processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.bot_process import BotProcess, bot_process


@pytest.fixture
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BotProcess]:
    """Build a bot process that is not started yet; the marker `bot` holds its settings."""
    marker = request.node.get_closest_marker("bot")
    settings = marker.kwargs if marker else {}
    async with bot_process(tmp_path, **settings) as built:
        yield built
