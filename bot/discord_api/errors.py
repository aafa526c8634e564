"""What the answers of Discord mean: outages, refusals, and errors of the bot's own calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import discord

from bot.domain.errors import DiscordAway

_TOO_LARGE = 40005
# Codes of a 400 that concerns the place, not the message: the channel takes no text, the thread is archived
# or locked, or the interaction has used up its follow-ups.
_CLOSED = frozenset({50008, 50083, 160005, 40094})


class PostError(Exception):
    """A call to Discord failed, or it isn't known whether the call succeeded."""


class Unanswered(PostError):
    """Discord gave no usable answer, so it isn't known whether the call succeeded."""


class Unreachable(PostError):
    """Nothing was posted, and a retry won't help: the bot lacks access, or the target is gone or expired."""


class Gone(Unreachable):
    """The message or its channel doesn't exist any more."""


class Refused(Unreachable):
    """Discord rejected the message itself; nothing was posted, but a simpler one may be accepted."""


class TooLarge(Refused):
    """Discord refused the files because of their size; nothing was posted."""


def is_outage(error: discord.HTTPException) -> bool:
    """Return whether an error says nothing about what the call was for, such as a message or a channel.

    A 401 or 403 without one of Discord's codes concerns the whole bot: its token was reset, or Cloudflare
    blocks the address for a while.
    """
    if error.status in (401, 403):
        return error.code == 0
    return error.status in (408, 429) or error.status >= 500


@contextmanager
def mapped() -> Iterator[None]:
    """Map discord.py's and aiohttp's errors to PostErrors."""
    try:
        yield
    except discord.RateLimited as error:
        raise Unanswered(f"{type(error).__name__}: {error}") from error
    except discord.HTTPException as error:
        if error.code == _TOO_LARGE or error.status == 413:
            raise TooLarge(str(error)) from error
        if is_outage(error):
            raise Unanswered(str(error)) from error
        about_message = error.status == 400 and error.code not in _CLOSED
        kind = Gone if error.status == 404 else Refused if about_message else Unreachable
        raise kind(f"{error.status} {error.code}: {error.text}") from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise Unanswered(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def answering(seconds: float) -> AsyncIterator[None]:
    """Raise DiscordAway if the calls in the block fail or take longer than `seconds`.

    Forbidden and NotFound are raised unchanged if they are answers.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, TimeoutError, OSError) as error:
        if isinstance(error, discord.Forbidden | discord.NotFound) and not is_outage(error):
            raise
        raise DiscordAway(f"{type(error).__name__}: {error}") from error
