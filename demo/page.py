"""The demo's pages. Each is simcord's preview of one channel, refreshed while the bot works.

Each channel of the server has a page, and so do the direct messages of each member except the moderator.
simcord 3.2 allows only one preview at a time, because it remembers just one as the sender of actions.
Therefore `_enter` makes simcord forget the earlier preview, and `Clicks` sets the sender before each action.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from zoneinfo import available_timezones

from simcord.preview import Preview

from demo.clicks import Clicks
from demo.page_look import Channel, Media, changed_pages
from demo.world import FLAGGED, MODERATOR, World

# The page polls twice a second; publishing more often would only cause more redraws.
_LOOK = 0.25
_PAUSE = 1.0
_HINT = "Type `/generate picture`, press Enter, and describe a picture. More to try is below the channels."


# The machine's time zone, if `/etc/localtime` is a link to a known zone.
_ZONE = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]


class Page:
    """A page of the demo. Anyone who has its `url` can act in the demo's Discord."""

    def __init__(self, title: str, preview: Preview, world: World) -> None:
        self.title = title
        self.url = preview.url
        self.preview = preview
        self.clicks = Clicks(preview, world)

    @property
    def visited(self) -> bool:
        """Return whether somebody has opened the page. simcord's list always contains its own page, too."""
        return len(self.preview._pages) > 1


class Pages:
    """All pages, the public channel's first."""

    def __init__(self, pages: Sequence[Page], world: World, media: Media) -> None:
        self.all = pages
        self._world = world
        self._media = media

    async def keep_fresh(self) -> None:
        """Refresh the pages after the bot has changed something, at most once a second, until cancelled."""
        shown = 0
        while True:
            for page in self.all:
                page.clicks.note()
            calls = self._world.env.http_requests[shown:]
            if any(call.method != "GET" for call in calls):
                await self._refresh()
                await asyncio.sleep(_PAUSE)
            shown += len(calls)
            await asyncio.sleep(_LOOK)

    async def closed(self) -> None:
        """Wait until somebody chooses "End preview session" on a page."""
        tasks = [asyncio.create_task(page.preview.wait_closed()) for page in self.all]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _refresh(self) -> None:
        visited = [page for page in self.all if page.visited]
        if visited:
            await self._media.prepare(self._world.env.backend.cdn._blobs.values())
        for page in visited:
            async with self._world.turn:
                await page.preview.refresh()
                page.clicks.note()


@asynccontextmanager
async def open_pages(world: World, port: int | None = None) -> AsyncIterator[Pages]:
    """Serve the pages inside the block, on consecutive ports from `port`, or on free ones if it is None.

    Raises SetupError (simcord) if a port is in use.
    """
    channels: list[Channel] = []
    async with AsyncExitStack() as stack:
        media = stack.enter_context(changed_pages(channels))
        pages = []
        for number, channel in enumerate(_channels(world)):
            preview = await _enter(world, channel, port + number if port else None)
            stack.push_async_exit(preview)
            channels.append(replace(channel, url=preview.url))
            pages.append(Page(channel.title, preview, world))
        yield Pages(pages, world, media)


def _channels(world: World) -> Iterator[Channel]:
    people, mia = tuple(world.people.values()), MODERATOR.capitalize()
    pictures = f"#{world.channel.name}"
    yield Channel(pictures, "request pictures here", _HINT, world.channel, people)
    hint = "The bot posts a result here when its requester presses Share, which is behind More."
    yield Channel(f"#{world.gallery.name}", "shared results", hint, world.gallery, people)
    hint = "`/generate restricted` runs only here, because its deployment is age-restricted."
    about = "for /generate restricted"
    yield Channel(f"#{world.restricted.name}", about, hint, world.restricted, people)
    hint = (
        f"Pictures wait here if their prompt has the word “{FLAGGED}”. So do all requests, once {mia} has "
        f"switched approval on: in {pictures}, choose {mia}, type `/settings`, and change Approval."
    )
    about, moderators = f"for {mia}, the moderator", (world.people[MODERATOR],)
    yield Channel(f"#{world.review.name}", about, hint, world.review, moderators)
    for name, user in world.users.items():
        if name != MODERATOR:
            person = name.capitalize()
            hint = f"The bot writes to {person} here, for example why a request was not approved."
            yield Channel(f"{person}'s direct messages", "from the bot", hint, user.dm_channel, (user,))


async def _enter(world: World, channel: Channel, port: int | None) -> Preview:
    async with world.turn:
        world.env._preview = None  # lets simcord open another preview; see the module docstring
        preview = world.env.preview(
            channel.handle,
            viewers=channel.viewers,
            layout="channel",
            timezone=_ZONE if _ZONE in available_timezones() else "UTC",
            port=port,
        )
    return await preview.__aenter__()
