"""The pages: simcord's preview of each channel, refreshed while the bot works.

A preview shows one channel, so each channel is a tab of the browser: the public one, the moderators' one and
everybody's direct messages. simcord 3.2 allows one preview at a time, since it remembers the last one that
reported an action to the bot; `Clicks` sets that one before each action.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from simcord import ChannelHandle
from simcord.preview import Preview

from demo.clicks import Clicks
from demo.links import shown_by_link
from demo.world import MODERATOR, World

# The page polls twice a second; publishing more often would only cause more redraws.
_LOOK = 0.25
_PAUSE = 1.0


class Page:
    """A page. Anyone who has its `url` can act in the demo's Discord."""

    def __init__(self, title: str, preview: Preview, world: World) -> None:
        self.title = title
        self.url = preview.url
        self._preview = preview
        self._clicks = Clicks(preview, world)

    @property
    def visited(self) -> bool:
        """Return whether somebody has opened the page; a preview always has one page of its own."""
        return len(self._preview._pages) > 1

    def note(self) -> None:
        self._clicks.note()

    async def refresh(self) -> None:
        await self._preview.refresh()
        self.note()

    async def closed(self) -> None:
        await self._preview.wait_closed()


class Pages:
    """All pages, the public channel's first."""

    def __init__(self, pages: Sequence[Page], world: World) -> None:
        self.all = pages
        self._world = world

    async def keep_fresh(self) -> None:
        """Refresh the pages after each call of the bot to Discord, until cancelled."""
        shown = 0
        while True:
            for page in self.all:
                page.note()
            calls = len(self._world.env.http_requests)
            if calls != shown:
                await self._refresh()
                shown = calls
                await asyncio.sleep(_PAUSE)
            await asyncio.sleep(_LOOK)

    async def closed(self) -> None:
        """Wait until somebody chooses "End preview session" in a page."""
        tasks = [asyncio.create_task(page.closed()) for page in self.all]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _refresh(self) -> None:
        for page in self.all:
            if page.visited:
                async with self._world.turn:
                    await page.refresh()


@asynccontextmanager
async def open_pages(world: World, port: int | None = None) -> AsyncIterator[Pages]:
    """Serve the pages inside the block, on consecutive ports from `port`, or on free ones if it is None.

    Raises SetupError (simcord) if a port is in use.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(shown_by_link())
        pages = []
        for number, (title, channel, viewers) in enumerate(_views(world)):
            preview = await _enter(world, channel, viewers, port + number if port else None)
            stack.push_async_exit(preview)
            pages.append(Page(title, preview, world))
        yield Pages(pages, world)


def _views(world: World) -> Iterator[tuple[str, ChannelHandle, tuple[Any, ...]]]:
    """Return each page's title, its channel, and who may look at it."""
    yield f"#{world.channel.name}", world.channel, tuple(world.people.values())
    yield f"#{world.review.name}", world.review, (world.people[MODERATOR],)
    for name, user in world.users.items():
        if name != MODERATOR:
            yield f"{name.capitalize()}'s direct messages", user.dm_channel, (user,)


async def _enter(world: World, channel: ChannelHandle, viewers: tuple[Any, ...], port: int | None) -> Preview:
    async with world.turn:
        world.env._preview = None  # lets simcord open another preview; see the module docstring
        preview = world.env.preview(
            channel, viewers=viewers, layout="channel", timezone=_timezone(), port=port
        )
    return await preview.__aenter__()


def _timezone() -> str:
    """Return the machine's time zone, or UTC if `/etc/localtime` is not a link."""
    name = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    return name if name in available_timezones() else "UTC"
