"""The picture check in the demo: a flagged picture waits for Mia, who posts it."""

from __future__ import annotations

import asyncio

import discord

from demo.world import FLAGGED, World, open_world
from tests.demo.test_moderation import cards, pictures, seen


async def post(world: World, card: discord.Message) -> None:
    """Press Post again while the bot answers that the card isn't complete: it hasn't stored its post yet."""
    async with asyncio.timeout(60):
        while True:
            async with world.turn:
                pressed = await world.people["mia"].click(card, label="Post")
            if "press it again" not in pressed.response.content:
                return


async def test_a_flagged_picture_is_held_until_the_moderator_posts_it() -> None:
    async with open_world(pace=0) as world:
        async with world.turn:
            await world.people["ada"].slash(
                world.channel, "generate picture", prompt=f"A {FLAGGED.capitalize()} barn"
            )
        card = await seen(world, lambda: cards(world))
        (held,) = card.attachments
        assert held.is_spoiler() or held.filename.startswith("report-")
        assert not pictures(world)

        await post(world, card)

        result = await seen(world, lambda: pictures(world))
        assert [user.id for user in result.mentions] == [world.people["ada"].id]
