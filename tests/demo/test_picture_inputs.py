"""Pictures as inputs in the demo: the fake ComfyDeploy opens the offline Discord's files."""

from __future__ import annotations

import asyncio
import io

import av
import discord
from PIL import Image

from demo.fake_comfydeploy.video import FRAME_RATE, SECONDS
from demo.world import World, open_world
from tests.demo.pictures import is_red, red_square


async def result(world: World, suffix: str = ".png") -> discord.Message:
    """Return the bot's message with such a file, once it is there."""
    async with asyncio.timeout(60):
        while True:
            async with world.turn:
                found = world.channel.history(viewer=world.people["ada"])
                for message in found:
                    files = message.attachments if message.author.bot else []
                    if any(file.filename.endswith(suffix) for file in files):
                        return message
            await asyncio.sleep(0.05)


async def test_a_picture_in_the_channel_can_be_used_as_input() -> None:
    async with open_world(pace=0) as world:
        ada = world.people["ada"]
        async with world.turn:
            posted = await ada.send(world.channel, "look", attachments=[("red.png", red_square())])
            offered = await ada.context_menu(world.channel, "Use as input", posted)
            form = await ada.select(offered.response.message, ["draft::picture:0::"])
            await ada.submit_modal(form, {"prompt": "a barn"})
        assert is_red(await (await result(world)).attachments[0].read())


async def test_a_result_is_enlarged_and_animated() -> None:
    async with open_world(pace=0) as world:
        ada = world.people["ada"]
        async with world.turn:
            posted = await ada.send(world.channel, "look", attachments=[("red.png", red_square())])
            await ada.context_menu(world.channel, "Upscale", posted)
        enlarged = await result(world)
        with Image.open(io.BytesIO(await enlarged.attachments[0].read())) as image:
            assert image.size == (512, 512)
        async with world.turn:
            form = await ada.context_menu(world.channel, "Animate", enlarged)
            await ada.submit_modal(form, {"motion": "pan"})
        clip = await result(world, suffix=".mp4")
        with av.open(io.BytesIO(await clip.attachments[0].read())) as container:
            frames = sum(1 for _ in container.decode(video=0))
        assert frames == FRAME_RATE * SECONDS
