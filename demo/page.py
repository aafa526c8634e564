"""The demo's pages. Each is simcord's preview of one channel, refreshed while the bot works.

Each channel of the server has a page, and so do the direct messages of each member except the moderator.
simcord 3.2 allows only one preview at a time, because it remembers just one as the sender of actions.
Therefore `_enter` makes simcord forget the earlier preview, and `page_look.py` sets the sender before each
action.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import simcord
from simcord.preview import Preview
from simcord.preview._media import MediaWorker

from demo.page_look import Page, changed_pages
from demo.world import CHANNELS, MODERATOR, REVIEW, World

# The page polls twice a second; publishing more often would only cause more redraws.
_LOOK = 0.25
_PAUSE = 1.0
# The machine's time zone, if `/etc/localtime` is a link to a known zone.
_ZONE = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]


async def keep_fresh(world: World, pages: Sequence[Page]) -> None:
    """Refresh the pages after the bot has changed something, at most once a second, until one is closed."""
    shown = 0
    while not any(page.preview._closed for page in pages):
        calls = world.env.http_requests[shown:]
        if any(call.method != "GET" for call in calls):
            await _refresh(world, [page.preview for page in pages])
            await asyncio.sleep(_PAUSE)
        shown += len(calls)
        await asyncio.sleep(_LOOK)


async def _refresh(world: World, previews: Sequence[Preview]) -> None:
    # A preview that nobody has opened has only simcord's own page.
    if not (opened := [preview for preview in previews if len(preview._pages) > 1]):
        return
    # Decode new files before a page requests them, so that the page shows them immediately.
    blobs = [*world.env.backend.cdn._blobs.values()]
    await asyncio.gather(*(MediaWorker()._decode("", each, None) for each in blobs), return_exceptions=True)
    for preview in opened:
        async with world.turn:
            await preview.refresh()


@asynccontextmanager
async def open_pages(world: World, port: int | None = None) -> AsyncIterator[Sequence[Page]]:
    """Serve the pages inside the block, on consecutive ports from `port`, or on free ones if it is None.

    The public channel's page is the first. Raises SetupError (simcord) if a port is in use.
    """
    pages: list[Page] = []
    async with AsyncExitStack() as stack:
        stack.enter_context(changed_pages(world, pages))
        for title, about, hint, channel, viewers in _channels(world):
            preview = await _enter(world, channel, viewers, port + len(pages) if port else None)
            stack.push_async_exit(preview)
            pages.append(Page(title, about, hint, preview))
        yield pages


def _channels(world: World) -> Iterator[tuple[str, str, str, simcord.ChannelHandle, Sequence[Any]]]:
    """Yield each page's title, description, hint, channel, and the people to choose from."""
    for name, about in CHANNELS.items():
        viewers = [world.people[MODERATOR]] if name == REVIEW else [*world.people.values()]
        yield f"#{name}", about.link, about.hint, world.channels[name], viewers
    for name, person in world.people.items():
        if name != MODERATOR:
            title, user = name.capitalize(), person.user
            hint = f"The bot writes to {title} here, for example why a request was not approved."
            yield f"{title}'s direct messages", "from the bot", hint, user.dm_channel, [user]


async def _enter(
    world: World, channel: simcord.ChannelHandle, viewers: Sequence[Any], port: int | None
) -> Preview:
    async with world.turn:
        world.env._preview = None  # lets simcord open another preview; see the module docstring
        preview = world.env.preview(
            channel,
            viewers=viewers,
            layout="channel",
            timezone=_ZONE if _ZONE in available_timezones() else "UTC",
            port=port,
        )
    return await preview.__aenter__()
