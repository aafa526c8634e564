"""Pictures as inputs in the demo: the fake ComfyDeploy opens the offline Discord's files."""

from __future__ import annotations

import asyncio
import io

import discord
from PIL import Image

from demo.world import World, open_world


def red_square() -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (256, 256), "red").save(target, "PNG")
    return target.getvalue()


def is_red(picture: bytes) -> bool:
    """Return whether the start picture shines through, with which the fake workflow blends its own."""
    with Image.open(io.BytesIO(picture)) as image:
        red, green, blue = image.convert("RGB").resize((1, 1)).getpixel((0, 0))
    return red > green + 40 and red > blue + 40


async def result(world: World) -> discord.Message:
    """Return the bot's message with a picture, once it is there."""
    async with asyncio.timeout(60):
        while True:
            async with world.turn:
                found = world.channel.history(viewer=world.people["ada"])
                for message in found:
                    if message.author.bot and message.attachments:
                        return message
            await asyncio.sleep(0.05)


async def test_a_picture_can_be_given_to_the_command() -> None:
    async with open_world(pace=0) as world:
        async with world.turn:
            await world.people["ada"].slash(
                world.channel, "generate picture", prompt="a barn", image=("start.png", red_square())
            )
        assert is_red(await (await result(world)).attachments[0].read())


async def test_a_picture_in_the_channel_can_be_used_as_input() -> None:
    async with open_world(pace=0) as world:
        ada = world.people["ada"]
        async with world.turn:
            posted = await ada.send(world.channel, "look", attachments=[("red.png", red_square())])
            form = await ada.context_menu(world.channel, "Use as input", posted)
            await ada.submit_modal(form, {"prompt": "a barn"})
        assert is_red(await (await result(world)).attachments[0].read())
