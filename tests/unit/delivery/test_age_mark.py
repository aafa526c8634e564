"""Discord's age mark on a channel, as a process without the gateway reads it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest

from bot.discord_api.calls import DiscordCalls, Gone, Refused, Unanswered, Unreachable
from bot.gateway.client import RestClient


@pytest.mark.parametrize(
    ("status", "code", "means"),
    [
        (403, 50001, Unreachable),
        (404, 10003, Gone),
        (401, 50027, Unreachable),
        (400, 50083, Unreachable),
        (400, 50035, Refused),
        (413, 0, Refused),
        # Without a code it is no answer about this channel: a reset token, Cloudflare, an outage.
        *((status, 0, Unanswered) for status in (401, 403, 429, 500)),
    ],
)
async def test_a_fault_is_not_taken_for_an_answer_about_the_mark(
    status: int, code: int, means: type[Exception]
) -> None:
    fault = discord.HTTPException(SimpleNamespace(status=status, reason=""), {"code": code, "message": ""})
    client = RestClient(aiohttp.TraceConfig())

    async def get_channel(_channel_id: int) -> dict[str, Any]:
        raise fault

    client.http.get_channel = get_channel  # type: ignore[method-assign,assignment]  # the edge to Discord
    with pytest.raises(means) as raised:
        await DiscordCalls(client).is_age_restricted(1)
    assert raised.type is means
