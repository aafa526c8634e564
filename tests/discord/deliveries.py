"""Deliveries: their states, channels that Discord closes to the bot, and a crash in the middle of one."""

from __future__ import annotations

from typing import Any, Literal

from tests.harness import Harness
from tests.questions import messages

Note = Literal["an attempt", "the end"]
# The functions of the store that change a message, by the step that they store.


async def delivery_states(bot: Harness) -> list[str]:
    """Return the state of each message that the bot owes, apart from answers to commands."""
    return [message.state for message in await messages(bot.database)]


def close_after_a_post(bot: Harness) -> None:
    """Let Discord refuse further posts in each channel in which it has taken one."""
    http = bot.app.bot.http
    before = http.request

    async def closes(route: Any, **kwargs: Any) -> Any:
        answer = await before(route, **kwargs)
        if route.method == "POST" and route.path.endswith("/messages"):
            path = f"/channels/{route.channel_id}/messages"
            bot.env.inject_error("POST", path, status=403, code=50007, times=None)
        return answer

    http.request = closes  # type: ignore[method-assign]  # a user who closes direct messages just then
