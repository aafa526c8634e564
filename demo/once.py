"""Generate one picture in the demo, from the command to the posted message, and check the result."""

from __future__ import annotations

import asyncio
import io

import discord
from PIL import Image

from demo.narrator import Narrator
from demo.world import OUTSIDE, World

PROMPT = "an island in a calm sea at dusk"
SHAPE, SIZE = "landscape", (912, 624)
_LOOK = 0.05


class DemoFailed(Exception):
    """Raised with a sentence that says which expectation was not met."""


def _expect(holds: bool, sentence: str) -> None:
    if not holds:
        raise DemoFailed(sentence)


async def generate_once(world: World, narrator: Narrator) -> discord.Attachment:
    """Send `/generate` as Ada, wait for the result, check it, and return its picture. Raises DemoFailed."""
    ada = world.people["ada"]
    async with world.turn:
        given = {"prompt": PROMPT, "style": "oil painting", "size": SHAPE}
        await ada.slash(world.channel, "generate picture", **given)
    await _all_shown(world)
    narrator.catch_up(world)
    async with world.turn:
        messages = world.channel.history(viewer=ada)
        # The status message should have been deleted.
        _expect(len(messages) == 1, f"The channel shows {len(messages)} messages instead of the one result.")
        pinged = world.pinged(world.channel.id, messages[0].id)
        _expect(pinged == ["ada"], "The result doesn't ping the person who asked, and nobody else.")
        files = messages[0].attachments
        _expect(len(files) == 1, f"The result carries {len(files)} files instead of one picture.")
        with Image.open(io.BytesIO(await files[0].read())) as image:
            image.load()
            found = (image.format, image.size)
    _expect(found == ("PNG", SIZE), f"{files[0].filename} is {found}, not a PNG of {SIZE}.")
    errors = "; ".join([*map(repr, world.env.errors), *narrator.errors])
    _expect(not errors, f"The bot reported errors: {errors}")
    return files[0]


async def _all_shown(world: World) -> None:
    """Wait until no run is active and no outcome is pending."""
    while True:
        figures = await world.app.app.store.figures.gauges(OUTSIDE.now())
        if not figures.runs and not figures.pending:
            break
        await asyncio.sleep(_LOOK)
