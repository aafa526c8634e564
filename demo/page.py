"""The demo's pages. Each is simcord's preview of one channel, refreshed while the bot works.

Each channel of the server has a page, and so do the direct messages of each member except the moderator.
simcord 3.2 allows only one preview at a time, because it remembers just one as the sender of actions.
Therefore `_enter` makes simcord forget the earlier preview, and `Clicks` sets the sender before each action.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from simcord import ChannelHandle
from simcord.preview import Preview
from yarl import URL

from demo.clicks import Clicks
from demo.page_look import Channel, Media, channel_list, shown_by_link
from demo.world import MODERATOR, World

# The page polls twice a second; publishing more often would only cause more redraws.
_LOOK = 0.25
_PAUSE = 1.0
_HINT = "Type `/generate picture`, press Enter, and describe a picture. More to try is below the channels."


class Page:
    """A page of the demo. Anyone who has its `url` can act in the demo's Discord."""

    def __init__(self, title: str, preview: Preview, world: World) -> None:
        self.title = title
        self.url = preview.url
        self._preview = preview
        self._clicks = Clicks(preview, world)

    @property
    def visited(self) -> bool:
        """Return whether somebody has opened the page. simcord's list always has one page of its own."""
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

    def __init__(self, pages: Sequence[Page], world: World, media: Media) -> None:
        self.all = pages
        self._world = world
        self._media = media

    async def keep_fresh(self) -> None:
        """Refresh the pages when the bot has changed something in Discord, at most once a second, until
        cancelled.
        """
        shown = 0
        while True:
            for page in self.all:
                page.note()
            calls = self._world.env.http_requests[shown:]
            if any(call.method != "GET" for call in calls):
                await self._refresh()
                await asyncio.sleep(_PAUSE)
            shown += len(calls)
            await asyncio.sleep(_LOOK)

    async def closed(self) -> None:
        """Wait until somebody chooses "End preview session" on a page."""
        tasks = [asyncio.create_task(page.closed()) for page in self.all]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _refresh(self) -> None:
        if any(page.visited for page in self.all):
            await self._media.prepare(self._world.env.backend.cdn._blobs.values())
        for page in self.all:
            if page.visited:
                async with self._world.turn:
                    await page.refresh()


@asynccontextmanager
async def open_pages(world: World, port: int | None = None) -> AsyncIterator[Pages]:
    """Serve the pages inside the block, on consecutive ports from `port`, or on free ones if it is None.

    Raises SetupError (simcord) if a port is in use.
    """
    channels: dict[int, Channel] = {}
    async with AsyncExitStack() as stack:
        stack.enter_context(shown_by_link())
        stack.enter_context(channel_list(channels))
        media = Media()
        stack.enter_context(media.kept())
        pages = []
        for number, view in enumerate(_views(world)):
            preview = await _enter(world, view, port + number if port else None)
            stack.push_async_exit(preview)
            channels[URL(preview.url).port or 0] = Channel(view.title, preview.url, view.about, view.hint)
            pages.append(Page(view.title, preview, world))
        yield Pages(pages, world, media)


@dataclass(frozen=True, slots=True)
class _View:
    """A page of the demo: its title, channel, viewers, description and hint."""

    title: str
    channel: ChannelHandle
    viewers: tuple[Any, ...]
    about: str
    hint: str


def _views(world: World) -> Iterator[_View]:
    people, moderator = tuple(world.people.values()), MODERATOR.capitalize()
    yield _View(f"#{world.channel.name}", world.channel, people, "request pictures here", _HINT)
    yield _View(
        f"#{world.gallery.name}",
        world.gallery,
        people,
        "shared results",
        "The bot posts a result here when its requester presses Share, which is behind More.",
    )
    yield _View(
        f"#{world.restricted.name}",
        world.restricted,
        people,
        "for /generate restricted",
        "`/generate restricted` runs only here, because its deployment is age-restricted.",
    )
    yield _View(
        f"#{world.review.name}",
        world.review,
        (world.people[MODERATOR],),
        f"for {moderator}, the moderator",
        f"Requests wait here once {moderator} has switched approval on: in #{world.channel.name}, choose "
        f"{moderator} at the top, type `/settings`, and change Approval.",
    )
    for name, user in world.users.items():
        if name != MODERATOR:
            person = name.capitalize()
            hint = f"The bot writes to {person} here, for example why a request was not approved."
            yield _View(f"{person}'s direct messages", user.dm_channel, (user,), "from the bot", hint)


async def _enter(world: World, view: _View, port: int | None) -> Preview:
    async with world.turn:
        world.env._preview = None  # lets simcord open another preview; see the module docstring
        preview = world.env.preview(
            view.channel, viewers=view.viewers, layout="channel", timezone=_timezone(), port=port
        )
    return await preview.__aenter__()


def _timezone() -> str:
    """Return the machine's time zone, or UTC if `/etc/localtime` isn't a link to a known zone."""
    name = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    return name if name in available_timezones() else "UTC"
