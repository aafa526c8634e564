"""The page: simcord's preview of the channel, kept up to date while the bot works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from simcord.preview import Preview

from demo.world import World

# The page asks for news twice a second; publishing more often would only cost it redraws.
_LOOK = 0.25
_PAUSE = 1.0


@asynccontextmanager
async def open_page(world: World, port: int | None) -> AsyncIterator[Preview]:
    """Serves the page inside the block, at `url`. Raises SetupError (simcord) for a port in use."""
    async with world.turn:
        preview = world.env.preview(
            world.channel,
            viewers=tuple(world.people.values()),
            layout="channel",
            timezone=_timezone(),
            port=port,
        )
    _take_every_click(preview, world)
    async with preview:
        yield preview


async def keep_fresh(preview: Preview, world: World) -> None:
    """Publishes what the bot did at Discord, for as long as the page is open."""
    shown = 0
    while True:
        calls = len(world.env.http_requests)
        if calls != shown:
            async with world.turn:
                await world.catch_up()
                await preview.refresh()
            shown = calls
            await asyncio.sleep(_PAUSE)
        await asyncio.sleep(_LOOK)


def _take_every_click(preview: Preview, world: World) -> None:
    """Lets a click on a page that is half a second old count.

    simcord turns away whatever was pressed before the page has fetched the newest state, which moves every
    second while a run goes on: Cancel would fail at random. What was pressed is looked up and checked again
    all the same, so a button that is gone stays refused. There is no public switch for it (simcord 3.2).
    """
    admit = preview._action

    async def action(context_id: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        async with world.turn:
            page = preview._pages.get(context_id or "")
            if page is not None and "published_revision" in body:
                body = {**body, "published_revision": page.revision}
            return await admit(context_id, body)

    preview._action = action  # type: ignore[method-assign]  # see above


def _timezone() -> str:
    """The machine's, by its usual link; the page's times are in UTC where it is another arrangement."""
    name = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    return name if name in available_timezones() else "UTC"
