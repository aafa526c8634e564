"""Deliveries: their states, the paths of their requests, and a crash in the middle of one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.harness import Harness

POSTS = "/channels/*/messages"
ANSWERS = "/webhooks/*"


async def delivery_states(bot: Harness) -> list[str]:
    async with bot.app.store.database.read() as connection:
        return list((await connection.exec_driver_sql("SELECT state FROM deliveries ORDER BY id")).scalars())


async def die_after_the_post(bot: Harness) -> None:
    """Let the process die after Discord has taken the post and before the bot has noted it."""
    http = bot.app.bot.http
    before = http.request

    async def posts_and_dies(route: Any, **kwargs: Any) -> Any:
        answer = await before(route, **kwargs)
        if route.method == "POST" and route.path.endswith("/messages"):
            raise asyncio.CancelledError
        return answer

    http.request = posts_and_dies  # type: ignore[method-assign]  # the process's last breath
    with pytest.raises(asyncio.CancelledError):
        await bot.app.workers["deliver"].drain()


@contextmanager
def every_way_closed(bot: Harness) -> Iterator[None]:
    """Close the channel to the bot, and the answer to the command, inside the block."""
    bot.env.inject_error("POST", POSTS, status=403, code=50013, times=None)
    bot.env.inject_error("PATCH", ANSWERS, status=404, code=10015, times=None)
    yield
    bot.env.backend.faults.clear()
