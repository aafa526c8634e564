"""The demo's moderator decides about requests and pictures."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import discord
from PIL import Image

from bot.ui.custom_ids import SettingId
from demo.world import FLAGGED, REVIEW, World, open_world


def red_square() -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (256, 256), "red").save(target, "PNG")
    return target.getvalue()


def with_files(world: World, place: Any, who: str = "ada") -> list[discord.Message]:
    """Return the bot's messages with files that somebody sees in a channel."""
    history = place.history(viewer=world.people[who])
    return [message for message in history if message.author.bot and message.attachments]


async def shown(world: World, place: Any, who: str = "ada") -> discord.Message:
    """Return the newest message with a file, once there is one."""
    async with asyncio.timeout(60):
        while True:
            async with world.turn:
                found = with_files(world, place, who)
            if found:
                return found[-1]
            await asyncio.sleep(0.05)


async def generates(world: World, **options: Any) -> None:
    async with world.turn:
        await world.people["ada"].slash(world.channel, "generate picture", **options)


async def press(world: World, label: str) -> None:
    """Press a button of the newest card as Mia, and again as long as the bot says the card isn't complete."""
    for _ in range(400):
        async with world.turn:
            cards = with_files(world, world.channels[REVIEW], "mia")
            if cards and label in str([part.to_dict() for part in cards[-1].components]):
                pressed = await world.people["mia"].click(cards[-1], label=label)
                if "press it again" not in pressed.response.content:
                    return
        await asyncio.sleep(0.05)
    raise AssertionError(f"no card with a picture can be decided by {label}")


async def test_the_moderator_approves_a_request_by_its_picture_and_posts_its_flagged_result() -> None:
    async with open_world(pace=0) as world:
        mia, wanted = (
            world.people["mia"],
            {"review_channel_id": [world.channels[REVIEW]], "mode": ["everybody"]},
        )
        async with world.turn:
            panel = (await mia.slash(world.channel, "settings")).response
            form = await mia.click(panel, custom_id=SettingId("approval", "open").encode())
            boxes = [label["component"]["custom_id"] for label in form.modal["components"]]
            names = {box: box.split(":")[0].removeprefix("approval.") for box in boxes}
            values = {box: wanted[name] for box, name in names.items() if name in wanted}
            await mia.submit_modal(form, values)
        await generates(world, prompt=f"A {FLAGGED.capitalize()} barn", image=("start.png", red_square()))
        assert len(world.comfydeploy.call_log.queue_calls) == 0
        await press(world, "Approve")
        await press(world, "Post")
        result = await shown(world, world.channel)
        assert [user.id for user in result.mentions] == [world.people["ada"].id]
        assert len(world.comfydeploy.call_log.queue_calls) == 1
