"""The page: simcord's preview of the channel, kept up to date while the bot works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import available_timezones

from simcord.preview import Preview

from demo.clicks import Clicks
from demo.world import World

# The page asks for news twice a second; publishing more often would only cost it redraws.
_LOOK = 0.25
_PAUSE = 1.0


class Page:
    """`url` carries the right to act in the demo's Discord: whoever has it can."""

    def __init__(self, preview: Preview, world: World) -> None:
        self._preview = preview
        self._world = world
        self._clicks = Clicks(preview, world)
        self.url = preview.url

    async def keep_fresh(self) -> None:
        """Publishes what the bot does at Discord, until cancelled."""
        shown = 0
        while True:
            self._clicks.note()
            calls = len(self._world.env.http_requests)
            if calls != shown:
                async with self._world.turn:
                    await self._preview.refresh()
                    self._clicks.note()
                shown = calls
                await asyncio.sleep(_PAUSE)
            await asyncio.sleep(_LOOK)

    async def closed(self) -> None:
        """Returns when somebody chose "End preview session"."""
        await self._preview.wait_closed()


@asynccontextmanager
async def open_page(world: World, port: int | None = None) -> AsyncIterator[Page]:
    """Serves the page inside the block. Raises SetupError (simcord) for a port in use."""
    async with world.turn:
        preview = world.env.preview(
            world.channel,
            viewers=tuple(world.people.values()),
            layout="channel",
            timezone=_timezone(),
            port=port,
        )
    async with preview:
        yield Page(preview, world)


def _timezone() -> str:
    """The machine's, by its usual link; the page's times are in UTC where it is another arrangement."""
    name = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    return name if name in available_timezones() else "UTC"
