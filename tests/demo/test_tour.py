"""The demo's tour names what exists, and its moderator decides about requests and pictures."""

from __future__ import annotations

import asyncio
import io
import re
from typing import Any

import discord
from PIL import Image

from bot.ui.custom_ids import SettingId
from demo import tour
from demo.world import FLAGGED, World, open_world

STEPS = [what for steps in tour.TOUR.values() for what in steps]


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


async def press_until_taken(world: World, card: discord.Message, label: str) -> None:
    """Press a button again while the bot answers that the card isn't complete: its post isn't stored yet."""
    async with asyncio.timeout(60):
        while True:
            async with world.turn:
                pressed = await world.people["mia"].click(card, label=label)
            if "press it again" not in pressed.response.content:
                return


async def test_it_names_commands_and_deployments_that_exist() -> None:
    async with open_world(pace=0) as world:
        catalogue = world.app.bot.app.catalogue
        known = {command.name for command in world.app.bot.tree.get_commands()}
        labels = {follow_up.label for each in catalogue.all() for follow_up in each.follow_ups}
    text = " ".join(STEPS)
    assert set(re.findall(r"/([a-z]+)", text)) <= known
    of_generate = [what.removeprefix("/generate ") for what in STEPS if what.startswith("/generate ")]
    named = {name for what in of_generate for name in re.findall(r"\b[a-z]+\b(?!:)", what)}
    assert named <= {each.name for each in catalogue.all()}
    assert labels <= set(re.findall(r"\w+", text))


async def test_a_picture_with_its_start_picture_is_made_once_the_moderator_approves_its_card() -> None:
    async with open_world(pace=0) as world:
        mia, wanted = world.people["mia"], {"review_channel_id": [world.review], "mode": ["everybody"]}
        async with world.turn:
            panel = (await mia.slash(world.channel, "settings")).response
            form = await mia.click(panel, custom_id=SettingId("approval", "open").encode())
            boxes = [label["component"]["custom_id"] for label in form.modal["components"]]
            names = {box: box.split(":")[0].removeprefix("approval.") for box in boxes}
            values = {box: wanted[name] for box, name in names.items() if name in wanted}
            await mia.submit_modal(form, values)
        await generates(world, prompt="a red barn", image=("start.png", red_square()))
        card = await shown(world, world.review, "mia")
        assert len(world.comfydeploy.call_log.queue_calls) == 0
        async with world.turn:
            await mia.click(card, label="Approve")
        result = await shown(world, world.channel)
        assert [user.id for user in result.mentions] == [world.people["ada"].id]
        assert len(world.comfydeploy.call_log.queue_calls) == 1


async def test_a_flagged_picture_is_held_until_the_moderator_posts_it() -> None:
    async with open_world(pace=0) as world:
        await generates(world, prompt=f"A {FLAGGED.capitalize()} barn")
        card = await shown(world, world.review, "mia")
        (held,) = card.attachments
        assert held.is_spoiler() or held.filename.startswith("report-")
        assert not with_files(world, world.channel)
        await press_until_taken(world, card, "Post")
        result = await shown(world, world.channel)
        assert [user.id for user in result.mentions] == [world.people["ada"].id]
