"""Deliveries: their states, channels that Discord closes to the bot, and a crash in the middle of one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Literal

import pytest

from bot.domain.messages.records import Kind
from tests.harness import Harness
from tests.questions import messages

POSTS = "/channels/*/messages"
ANSWERS = "/webhooks/*"
Note = Literal["an attempt", "the end"]
# The functions of the store, by what they store about a message.
_NOTES: dict[Note, str] = {"an attempt": "begin", "the end": "turn"}


class Killed(BaseException):
    """The end of a process that is killed; nothing in the bot catches it."""


async def delivery_states(bot: Harness) -> list[str]:
    """Return the state of each message that the bot owes, apart from answers to commands."""
    return [message.state for message in await messages(bot.database)]


async def end_runs(bot: Harness) -> None:
    """Let every held run end; the deliveries are left to the caller."""
    bot.comfydeploy.release()
    await bot.comfydeploy.idle()


async def die_at_a_post(bot: Harness, *, after: bool = True, nth: int = 1) -> None:
    """Let the process die at a post, after Discord has taken it or before; the bot notes neither."""
    await _die_at(bot, "POST", "/messages", after=after, nth=nth)


async def be_killed_at_a_post(bot: Harness) -> None:
    """Let the process die before a post, without the time to give its claim back."""
    await _die_at(bot, "POST", "/messages", after=False, error=Killed)


async def die_at_a_deletion(bot: Harness) -> None:
    """Let the process die before Discord has deleted a message."""
    await _die_at(bot, "DELETE", "/messages/{message_id}", after=False)


async def die_at_a_note(bot: Harness, note: Note, *, after: bool = True) -> None:
    """Let the process die once it has noted something about a message, or just before."""

    async def die() -> None:
        raise asyncio.CancelledError

    with at_a_note(bot, note, die, after=after), pytest.raises(asyncio.CancelledError):
        await bot.app.workers["show"].drain()


@contextmanager
def at_a_note(
    bot: Harness, note: Note, act: Callable[[], Awaitable[None]], *, after: bool = True
) -> Iterator[None]:
    """Act once inside the block when the bot has stored something about a message, or just before."""
    store, name = bot.app.app.store.messages, _NOTES[note]
    store_it = getattr(store, name)

    async def acts(noted: Any, *args: Any, **kwargs: Any) -> Any:
        if note == "the end" and all(each.claim.message.kind is Kind.ANSWER for each in noted):
            return await store_it(noted, *args, **kwargs)
        setattr(store, name, store_it)
        if not after:
            await act()
        stored = await store_it(noted, *args, **kwargs)
        if after:
            await act()
        return stored

    setattr(store, name, acts)
    yield
    setattr(store, name, store_it)


async def _die_at(
    bot: Harness,
    method: str,
    path: str,
    *,
    after: bool,
    nth: int = 1,
    error: type[BaseException] = asyncio.CancelledError,
) -> None:
    http = bot.app.bot.http
    before, calls = http.request, count(1)

    async def dies(route: Any, **kwargs: Any) -> Any:
        counts = route.method == method and route.path.endswith(path)
        if counts and not after and next(calls) == nth:
            raise error
        answer = await before(route, **kwargs)
        if counts and after and next(calls) == nth:
            raise error
        return answer

    http.request = dies  # type: ignore[method-assign]  # the process's last breath
    with pytest.raises(error):
        await bot.app.workers["show"].drain()


@contextmanager
def dying_at_a_post(bot: Harness, *, after: bool = True, nth: int = 1) -> Iterator[None]:
    """Let the process die at a post that an interaction makes inside the block, after Discord has taken it.

    With `after=False`, Discord hasn't taken it.
    """
    http, calls = bot.app.bot.http, count(1)
    before = http.request

    async def dies(route: Any, **kwargs: Any) -> Any:
        is_post = route.method == "POST" and route.path.endswith("/messages")
        if not is_post or next(calls) != nth:
            return await before(route, **kwargs)
        if after:
            await before(route, **kwargs)
        raise asyncio.CancelledError

    http.request = dies  # type: ignore[method-assign]  # the process's last breath
    yield
    http.request = before  # type: ignore[method-assign]


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


def close_channel(bot: Harness, channel: Any = None, *, code: int = 50013, times: int | None = None) -> None:
    """Let Discord refuse posts in a channel."""
    path = f"/channels/{(channel or bot.channel).id}/messages"
    bot.env.inject_error("POST", path, status=403, code=code, times=times)


def close_direct_messages(bot: Harness, times: int | None = None) -> None:
    bot.env.inject_error("POST", "/users/@me/channels", status=403, code=50007, times=times)


def close_answer(bot: Harness) -> None:
    """Let Discord forget the command's own answer."""
    bot.env.inject_error("PATCH", ANSWERS, status=404, code=10015, times=None)


@contextmanager
def every_way_closed(bot: Harness) -> Iterator[None]:
    """Close all channels to the bot, and the answer to the command, inside the block."""
    bot.env.inject_error("POST", POSTS, status=403, code=50013, times=None)
    close_answer(bot)
    yield
    bot.env.backend.faults.clear()


@contextmanager
def only_one_part(bot: Harness) -> Iterator[None]:
    """Close the channel after the first message, and direct messages altogether."""
    emit = bot.env.backend.emit

    def closing(event: str, *rest: Any) -> Any:
        if event == "MESSAGE_CREATE":
            close_channel(bot, times=1)
        return emit(event, *rest)

    close_direct_messages(bot, times=1)
    bot.env.backend.emit = closing  # type: ignore[method-assign]
    yield
    bot.env.backend.emit = emit  # type: ignore[method-assign]
