"""A bot in an offline Discord for each test; `@pytest.mark.bot(…)` says how it is started.

`simcord_env` is simcord's own fixture: it runs the bot that `simcord_bot` returns, and sets the test's clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord

from demo.world import SETTLED_WITHIN
from tests.discord.moderated_server import ModeratedServer, moderate
from tests.harness import AppRunner, Harness, open_app, populate


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.simcord(settle_timeout=SETTLED_WITHIN))


def wanted(request: pytest.FixtureRequest) -> dict[str, Any]:
    marker = request.node.get_closest_marker("bot")
    return dict(marker.kwargs) if marker else {}


@pytest.fixture
async def runner(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AppRunner]:
    settings = {name: value for name, value in wanted(request).items() if name != "rules"}
    async with open_app(tmp_path, **settings) as opened:
        yield opened


@pytest.fixture
def simcord_bot(runner: AppRunner) -> discord.Client:
    return runner.app.bot


@pytest.fixture
def bot(runner: AppRunner, simcord_env: simcord.Env) -> Harness:
    """A bot on a server without rules."""
    return populate(simcord_env, runner)


@pytest.fixture
async def server(request: pytest.FixtureRequest, bot: Harness) -> ModeratedServer:
    """A bot on a server where requests need approval; `rules` in the marker are those of `moderate`."""
    return await moderate(bot, wanted(request).get("rules"))
