"""What the demo's tour promises works in the demo, and the tour is short."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

import discord

from demo import tour
from demo.world import World, open_world

MOST_LINES = 26
COLUMNS = 90
STEPS = [what for steps in tour.TOUR.values() for what in steps]


async def seen(
    world: World, channel: Any, look: Callable[[discord.Message], bool], who: str = "ada"
) -> discord.Message:
    """Return the newest such message, once there is one."""
    async with asyncio.timeout(60):
        while True:
            async with world.turn:
                found = [message for message in channel.history(viewer=world.people[who]) if look(message)]
            if found:
                return found[-1]
            await asyncio.sleep(0.05)


def has_picture(message: discord.Message) -> bool:
    return bool(message.attachments)


def text_of(answer: Any) -> str:
    return f"{answer.response.content} {answer.response.components}"


def commands(texts: list[str]) -> Iterator[str]:
    for text in texts:
        yield from re.findall(r"/[a-z]+", text)


def test_it_is_short() -> None:
    lines = list(tour.lines())
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= COLUMNS
    assert all(f"{what}  " in "\n".join(lines) for what in STEPS), "the columns are apart"


async def test_it_names_commands_and_deployments_that_exist() -> None:
    async with open_world(pace=0) as world:
        catalogue = world.app.bot.app.catalogue
        known = {command.name for command in world.app.bot.tree.get_commands()}
        labels = {follow_up.label for each in catalogue.all() for follow_up in each.follow_ups}
    assert {name.removeprefix("/") for name in commands(STEPS)} <= known
    named = {
        name
        for what in STEPS
        if what.startswith("/generate ")
        for name in re.findall(r"\b[a-z]+\b(?!:)", what.removeprefix("/generate "))
    }
    assert named <= {each.name for each in catalogue.all()}
    assert labels <= set(re.findall(r"\w+", " ".join(STEPS)))


async def test_a_result_is_shared_in_the_gallery() -> None:
    async with open_world(pace=0) as world:
        ada = world.people["ada"]
        async with world.turn:
            await ada.slash(world.channel, "generate picture", prompt="a red barn")
        result = await seen(world, world.channel, has_picture)
        async with world.turn:
            more = await ada.click(result, label="⋯ More")
            form = await ada.click(more.response.message, label="Share")
            await ada.submit_modal(form, {"prompt": True})
        assert await seen(world, world.gallery, has_picture, who="ben")


async def test_the_moderator_sets_a_default_and_private_results_are_allowed() -> None:
    async with open_world(pace=0) as world:
        mia = world.people["mia"]
        async with world.turn:
            asked = await mia.slash(world.channel, "generate picture", prompt="a barn", private=True)
            saved = await mia.slash(world.channel, "preset save", name="house", server=True)
            default = await mia.slash(world.channel, "preset default", name="house", channel=True)
        assert asked.ephemeral
        assert "Saved as **house**" in text_of(saved)
        assert "starts from **house**" in text_of(default)


async def test_the_age_restricted_deployment_runs_only_in_its_channel() -> None:
    async with open_world(pace=0) as world:
        ada = world.people["ada"]
        async with world.turn:
            refused = await ada.slash(world.channel, "generate restricted", prompt="a barn")
            await ada.slash(world.restricted, "generate restricted", prompt="a barn")
        assert "use this in an age-restricted channel" in text_of(refused)
        assert await seen(world, world.restricted, has_picture)
