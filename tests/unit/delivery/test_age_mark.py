"""Discord's age mark on a channel, as a process without the gateway reads it."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest

from bot.discord_api.calls import DiscordCalls, Gone, Refused, Unanswered, Unreachable
from bot.gateway.client import RestClient

TEXT, VOICE, THREAD, FORUM = 0, 2, 11, 15


def channel(number: int, kind: int, **more: Any) -> dict[str, Any]:
    """Return a channel as Discord sends it; `nsfw` may be missing."""
    parts = {"id": str(number), "type": kind, "guild_id": "7", "name": "a", "position": 0}
    return parts | {"permission_overwrites": [], "parent_id": None, "topic": None} | more


def thread(number: int, parent: int) -> dict[str, Any]:
    meta = {"archived": False, "auto_archive_duration": 60, "archive_timestamp": "2026-01-01T00:00:00+00:00"}
    more = {"owner_id": "5", "member_count": 1, "message_count": 1, "thread_metadata": meta}
    return channel(number, THREAD) | {"parent_id": str(parent)} | more


# Channels as Discord sends them, whether they have the mark, and which channels Discord is asked for.
KNOWN: Mapping[int, tuple[dict[str, Any], bool, list[int]]] = {
    1: (channel(1, TEXT, nsfw=True), True, [1]),
    2: (channel(2, TEXT, nsfw=False), False, [2]),
    3: (channel(3, TEXT), False, [3]),
    4: (channel(4, VOICE, nsfw=True, bitrate=64000, user_limit=0), True, [4]),
    5: (channel(5, FORUM, nsfw=True, available_tags=[]), True, [5]),
    6: (thread(6, 1), True, [6, 1]),
    7: (thread(7, 2), False, [7, 2]),
    8: (thread(8, 5), True, [8, 5]),
    9: ({"id": "9", "type": 1, "recipients": [], "last_message_id": None}, False, [9]),
}


def calls_of(asked: list[int], fault: Exception | None = None) -> DiscordCalls:
    """Return calls whose client was never connected; its calls to Discord end here."""
    client = RestClient(aiohttp.TraceConfig())

    async def get_channel(channel_id: int) -> dict[str, Any]:
        asked.append(channel_id)
        if fault is not None:
            raise fault
        return KNOWN[channel_id][0]

    client.http.get_channel = get_channel  # type: ignore[method-assign,assignment]  # the edge to Discord
    return DiscordCalls(client)


@pytest.mark.parametrize("number", [number for number in KNOWN if number != 5])
async def test_the_mark_is_asked_for_and_a_threads_is_its_parents(number: int) -> None:
    _, marked, calls = KNOWN[number]
    asked: list[int] = []
    assert await calls_of(asked).is_age_restricted(number) is marked
    assert asked == calls


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
    with pytest.raises(means) as raised:
        await calls_of([], fault).is_age_restricted(1)
    assert raised.type is means
