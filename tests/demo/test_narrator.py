"""The lines that the demo prints name what was pressed and chosen as the page does."""

from __future__ import annotations

from bot.ui.custom_ids import SettingId
from demo.narrator import Narrator, capturing_logs, narrating
from demo.world import open_world
from tests.demo.test_moderation import ask, cards, switch_approval_on
from tests.demo.test_moderation import seen as the_only
from tests.demo.test_tour import has_picture, seen


async def test_presses_and_choices_are_told_by_their_labels() -> None:
    with capturing_logs() as capture:
        narrator = Narrator(capture, lambda _: None)
        async with open_world(pace=0) as world, narrating(narrator, world):
            ada, mia = world.people["ada"], world.people["mia"]
            async with world.turn:
                await ada.slash(world.channel, "generate picture", prompt="a red barn")
            result = await seen(world, world.channel, has_picture)
            async with world.turn:
                await ada.click(result, label="⋯ More")
                home = await mia.slash(world.channel, "settings")
                await mia.click(home.response.message, custom_id=SettingId("deployments", "open").encode())
                chooser = SettingId("deployments", "key").encode()
                await mia.select(home.response.message, ["picture"], custom_id=chooser)
    told = "\n".join([*narrator.lines, ""])
    assert "@ada presses ⋯ More\n" in told
    assert "@mia chooses Picture\n" in told
    assert ", 1 output ->" in told


async def test_only_who_is_pinged_is_told_to_be_pinged() -> None:
    with capturing_logs() as capture:
        narrator = Narrator(capture, lambda _: None)
        async with open_world(pace=0) as world, narrating(narrator, world):
            await switch_approval_on(world)
            await ask(world)
            card = await the_only(world, lambda: cards(world))
            async with world.turn:
                await world.people["mia"].click(card, label="Approve")
            await seen(world, world.channel, has_picture)
    (review,) = [line for line in narrator.lines if "the bot writes in #review: " in line]
    (result,) = [line for line in narrator.lines if ".png" in line and "writes in #pictures" in line]
    assert "@ada" in review
    assert "pinging" not in review
    assert result.endswith(", pinging @ada")
