"""Outages of the services around the bot, with the clock moved on instead of waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import Any, Literal

from bot.domain.errors import StoreUnavailable
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


async def endure(bot: Harness, length: timedelta, steps: int) -> None:
    """Let an outage pass in so many steps. The workers go on, whatever their database does."""
    for _ in range(steps):
        bot.clock.move(seconds=(length / steps).total_seconds())
        await bot.env.advance_time(length.total_seconds() / steps)
        for worker in bot.app.workers.values():
            with suppress(StoreUnavailable):
                await worker.drain()
        await bot.comfydeploy.idle()


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


@contextmanager
def failing_library(bot: Harness, when: Callable[[str], bool], error: Exception) -> Iterator[None]:
    """Let discord.py fail inside the block on each post or edit whose body `when` picks."""
    http = bot.app.bot.http
    before = http.request

    async def fails(route: Any, **kwargs: Any) -> Any:
        body = str(kwargs.get("json")) + str(kwargs.get("form"))
        if route.method in ("POST", "PATCH") and "/messages" in route.path and when(body):
            raise error
        return await before(route, **kwargs)

    http.request = fails  # type: ignore[method-assign]
    yield
    http.request = before  # type: ignore[method-assign]


@contextmanager
def held_calls(bot: Harness, part: str) -> Iterator[list[str]]:
    """Let Discord answer no call inside the block whose path contains `part`; yield the paths of these."""
    http = bot.app.bot.http
    before = http.request
    held: list[str] = []

    async def request(route: Any, **kwargs: Any) -> Any:
        if part in route.path:
            held.append(route.path)
            await asyncio.sleep(3600)
        return await before(route, **kwargs)

    http.request = request  # type: ignore[method-assign]
    yield held
    http.request = before  # type: ignore[method-assign]
