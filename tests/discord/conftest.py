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

from demo.fake_comfydeploy.server import FakeComfyDeploy
from demo.world import SETTLED_WITHIN
from tests.discord.actors import moderator
from tests.discord.moderated_server import ModeratedServer, moderate
from tests.discord.settings_panel import Panel
from tests.discord.shares import Shares
from tests.harness import QUICK, AppRunner, Clock, Harness, open_app, populate


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.simcord(settle_timeout=SETTLED_WITHIN))


# How often, in seconds, simcord looks whether the bot is idle while it can't wait for the end of a task.
# At its default of 50 ms the tests wait half as long as they compute. Only explicit calls of `settle` can
# set it publicly.
simcord.Env._settle_internal.__kwdefaults__["idle"] = 0.005


def wanted(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the settings of the marker `bot`; those of one parameter set add to those of the test."""
    markers = reversed(list(request.node.iter_markers("bot")))
    return {name: value for marker in markers for name, value in marker.kwargs.items()}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def comfydeploy(request: pytest.FixtureRequest, clock: Clock) -> FakeComfyDeploy:
    """Return a fake ComfyDeploy that isn't started; `comfydeploy` in the marker holds its arguments."""
    return FakeComfyDeploy(now=clock, **QUICK | wanted(request).get("comfydeploy", {}))


@pytest.fixture
async def runner(
    request: pytest.FixtureRequest, tmp_path: Path, comfydeploy: FakeComfyDeploy, clock: Clock
) -> AsyncIterator[AppRunner]:
    """Start the fake ComfyDeploy, and open the app with the settings of the marker."""
    given = wanted(request).items()
    settings = {name: value for name, value in given if name not in ("rules", "comfydeploy")}
    async with open_app(tmp_path, comfydeploy=comfydeploy, clock=clock, **settings) as opened:
        yield opened


@pytest.fixture
def simcord_bot(runner: AppRunner) -> discord.Client:
    return runner.app.bot


@pytest.fixture
def bot(runner: AppRunner, simcord_env: simcord.Env) -> Harness:
    """Run a bot on a server without rules."""
    return populate(simcord_env, runner)


@pytest.fixture
def mona(bot: Harness) -> simcord.MemberActor:
    """Return a member with Manage Server."""
    return moderator(bot)


@pytest.fixture
def panel(bot: Harness) -> Panel:
    return Panel(bot)


@pytest.fixture
async def server(request: pytest.FixtureRequest, bot: Harness) -> ModeratedServer:
    """Run a bot on a server where requests need approval; `rules` in the marker are those of `moderate`."""
    return await moderate(bot, wanted(request).get("rules"))


@pytest.fixture
async def shares(bot: Harness) -> Shares:
    """Run a bot on a server with a gallery channel."""
    made = Shares(bot, bot.guild.create_text_channel("gallery"))
    await bot.env.settle()
    await made.set_rules()
    return made
