"""Messages owed: how they stand, and what happens to their posts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.harness import Harness

POSTS = "/channels/*/messages"
ANSWERS = "/webhooks/*"


async def delivery_states(bot: Harness) -> list[str]:
    async with bot.app.store.database.read() as connection:
        return list((await connection.exec_driver_sql("SELECT state FROM deliveries ORDER BY id")).scalars())


async def die_after_the_post(bot: Harness) -> None:
    """The message is in the channel, and the process is gone before it could say so."""
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
