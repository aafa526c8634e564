"""Outages of the services around the bot, with the clock moved on instead of waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from demo.fake_comfydeploy.faults import Faults
from tests.discord.deliveries import delivery_states
from tests.harness import Harness

Party = Literal["discord", "comfydeploy", "network", "database"]
UNREACHABLE = Faults(get_status=503, queue_status=503, deployment_status=503, webhook_drop=True)


@asynccontextmanager
async def away(bot: Harness, party: Party) -> AsyncIterator[None]:
    """Cut the bot off from a service inside the block; the network is Discord, ComfyDeploy and webhooks."""
    if party in ("discord", "network"):
        bot.env.inject_error("*", "*", status=503, times=None)
    if party in ("comfydeploy", "network"):
        bot.comfydeploy.faults = UNREACHABLE
    if party == "database":
        async with bot.database_away():
            yield
    else:
        yield
    bot.env.backend.faults.clear()
    bot.comfydeploy.faults = Faults()


async def busiest_second(bot: Harness, until_sent: int) -> int:
    """Let 90 seconds pass, or fewer if so many deliveries are sent; return the most calls in one of them."""
    most = 0
    for _ in range(90):
        before = len(bot.env.http_requests)
        await bot.later(seconds=1)
        most = max(most, len(bot.env.http_requests) - before)
        if (await delivery_states(bot)).count("sent") >= until_sent:
            break
    return most
