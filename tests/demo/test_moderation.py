"""Moderation in the demo, as a person plays it in the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import discord

from bot.ui.custom_ids import SettingId
from demo.world import World, open_world
from tests.demo.pictures import is_red, red_square


async def switch_approval_on(world: World) -> None:
    mia = world.people["mia"]
    async with world.turn:
        panel = (await mia.slash(world.channel, "settings")).response
        form = await mia.click(panel, custom_id=SettingId("approval", "open").encode())
        wanted = {"approval.review_channel_id": [world.review], "approval.mode": ["everybody"]}
        boxes = [label["component"]["custom_id"] for label in form.modal["components"]]
        values = {box: wanted[path] for box in boxes if (path := box.split(":")[0]) in wanted}
        await mia.submit_modal(form, values)


async def seen(world: World, look: Callable[[], list[discord.Message]]) -> discord.Message:
    """Return the only such message, once there is exactly one."""
    async with asyncio.timeout(60):
        while True:
            async with world.turn:
                found = look()
            if len(found) == 1:
                return found[0]
            await asyncio.sleep(0.05)


def cards(world: World) -> list[discord.Message]:
    return list(world.review.history(viewer=world.people["mia"]))


def pictures(world: World) -> list[discord.Message]:
    return [m for m in world.channel.history(viewer=world.people["ada"]) if m.attachments]


async def ask(world: World) -> Any:
    async with world.turn:
        return await world.people["ada"].slash(world.channel, "generate picture", prompt="a red barn")


async def test_a_picture_is_made_once_the_moderator_approves_its_card() -> None:
    async with open_world(pace=0) as world:
        await switch_approval_on(world)
        await ask(world)
        card = await seen(world, lambda: cards(world))
        assert len(world.comfydeploy.call_log.queue_calls) == 0

        async with world.turn:
            await world.people["mia"].click(card, label="Approve")

        result = await seen(world, lambda: pictures(world))
        assert [user.id for user in result.mentions] == [world.people["ada"].id]
        assert len(world.comfydeploy.call_log.queue_calls) == 1


async def test_a_moderator_sees_the_picture_that_the_request_starts_from() -> None:
    async with open_world(pace=0) as world:
        await switch_approval_on(world)
        async with world.turn:
            await world.people["ada"].slash(
                world.channel, "generate picture", prompt="a barn", image=("start.png", red_square())
            )
        card = await seen(world, lambda: cards(world))
        (shown,) = card.attachments
        assert is_red(await shown.read())
