"""Outages of the services around the bot, with the clock moved on instead of waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Literal

from bot.domain.errors import StoreUnavailable
from demo.fake_comfydeploy.faults import Faults
from tests.harness import Harness

Party = Literal["discord", "comfydeploy", "network", "database"]
UNREACHABLE = Faults(get_status=503, queue_status=503, deployment_status=503, webhook_drop=True)


@contextmanager
def away(bot: Harness, party: Party) -> Iterator[None]:
    """Cut the bot off from a service inside the block; the network is Discord, ComfyDeploy and webhooks."""
    if party in ("discord", "network"):
        bot.env.inject_error("*", "*", status=503, times=None)
    if party in ("comfydeploy", "network"):
        bot.comfydeploy.faults = UNREACHABLE
    if party == "database":
        with bot.database_away():
            yield
    else:
        yield
    bot.env.backend.faults.clear()
    bot.comfydeploy.faults = Faults()


async def endure(bot: Harness, length: timedelta, steps: int) -> None:
    """Let an outage pass in so many steps. The workers go on, whatever their database does."""
    for _ in range(steps):
        bot.clock.now += length / steps
        await bot.env.advance_time(length.total_seconds() / steps)
        for worker in bot.app.workers.values():
            with suppress(StoreUnavailable):
                await worker.drain()
        await bot.comfydeploy.idle()


async def busiest_second(bot: Harness, seconds: int) -> int:
    """Let seconds pass one by one; return the most calls to Discord that the bot made in one of them."""
    most = 0
    for _ in range(seconds):
        before = len(bot.env.http_requests)
        await bot.later(seconds=1)
        most = max(most, len(bot.env.http_requests) - before)
    return most
