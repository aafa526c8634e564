"""A bot in an offline Discord, and the caller of its webhook endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import discord
import pytest
import simcord

from demo.fake_comfydeploy.faults import Faults
from demo.world import SETTLED_WITHIN
from tests.harness import AppRunner, open_app, populate
from tests.web.service import SECRET, Caller


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.simcord(settle_timeout=SETTLED_WITHIN))


@pytest.fixture
async def runner(tmp_path: Path) -> AsyncIterator[AppRunner]:
    async with open_app(tmp_path, webhook_secret=SECRET) as opened:
        yield opened


@pytest.fixture
def simcord_bot(runner: AppRunner) -> discord.Client:
    return runner.app.bot


@pytest.fixture
async def caller(runner: AppRunner, simcord_env: simcord.Env) -> AsyncIterator[Caller]:
    """Start a run that ComfyDeploy holds without reporting anything, and yield its caller."""
    bot = populate(simcord_env, runner)
    await bot.ask(faults=Faults(hold_at="queued", webhook_drop=True))
    (call,) = bot.calls
    async with aiohttp.ClientSession() as session:
        yield Caller(bot, session, call.webhook, call.run_ids[0])
