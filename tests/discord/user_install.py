"""Interactions from where the bot isn't, which the offline Discord can't make by itself.

A person acts in direct messages, and on its way to the bot the interaction is rewritten as one from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from tests.harness import Harness

Place = Literal["group", "foreign server", "foreign thread"]
FOREIGN_SERVER = 4242
# Discord's own words for it in an interaction's payload.
PRIVATE_CHANNEL, SERVER = 2, 0
TEXT_CHANNEL, GROUP, THREAD = 0, 3, 11


@contextmanager
def elsewhere(bot: Harness, place: Place, *, nsfw: bool = False) -> Iterator[None]:
    """Turn each interaction in direct messages inside the block into one from `place`."""
    emit = bot.env.backend.emit

    def rewritten(event: str, payload: Any, *args: Any, **more: Any) -> Any:
        if event == "INTERACTION_CREATE":
            payload = _MADE[place](payload, nsfw=nsfw)
        return emit(event, payload, *args, **more)

    bot.env.backend.emit = rewritten  # type: ignore[method-assign]
    try:
        yield
    finally:
        bot.env.backend.emit = emit  # type: ignore[method-assign]


def _in_group(payload: dict[str, Any], *, nsfw: bool) -> dict[str, Any]:
    user = payload["user"]
    channel = {"id": payload["channel_id"], "type": GROUP, "name": None, "icon": None, "owner_id": user["id"]}
    return payload | {
        "context": PRIVATE_CHANNEL,
        "channel": channel | {"recipients": [user]},
        "authorizing_integration_owners": {"1": user["id"]},
    }


def _on_server(payload: dict[str, Any], *, nsfw: bool) -> dict[str, Any]:
    """Return the payload from a server without the bot, of which Discord sends no more than this."""
    user = payload["user"]
    member = {
        "user": user,
        "roles": [],
        "permissions": "0",
        "joined_at": "2020-01-01T00:00:00+00:00",
        "flags": 0,
        "deaf": False,
        "mute": False,
    }
    guild_id = str(FOREIGN_SERVER)
    channel = {
        "id": payload["channel_id"],
        "type": TEXT_CHANNEL,
        "name": "off-topic",
        "guild_id": guild_id,
        "position": 0,
        "permission_overwrites": [],
        "nsfw": nsfw,
        "parent_id": None,
        "topic": None,
    }
    rest = {key: value for key, value in payload.items() if key != "user"}
    return rest | {
        "context": SERVER,
        "guild_id": guild_id,
        "guild": {"id": guild_id, "features": [], "locale": "en-US"},
        "channel": channel,
        "member": member,
        "authorizing_integration_owners": {"1": user["id"]},
    }


def _in_thread(payload: dict[str, Any], *, nsfw: bool) -> dict[str, Any]:
    """Return the payload from a thread; of the thread's channel, Discord sends only the id."""
    there = _on_server(payload, nsfw=nsfw)
    thread = {
        "id": payload["channel_id"],
        "type": THREAD,
        "name": "a thread",
        "guild_id": there["guild_id"],
        "parent_id": str(FOREIGN_SERVER + 1),
        "owner_id": payload["user"]["id"],
        "message_count": 1,
        "member_count": 1,
        "rate_limit_per_user": 0,
        "thread_metadata": {
            "archived": False,
            "auto_archive_duration": 1440,
            "archive_timestamp": "2020-01-01T00:00:00+00:00",
            "locked": False,
        },
    }
    return there | {"channel": thread}


_MADE = {"group": _in_group, "foreign server": _on_server, "foreign thread": _in_thread}
