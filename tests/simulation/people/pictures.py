"""Actions: outputs that the checker flags wait, and moderators, requesters and strangers press their card."""

from __future__ import annotations

import asyncio
import random

from demo.picture_check import Mood
from tests.fakediscord.world import Message
from tests.simulation.people.asking import held_run, open_list, release_all, request
from tests.simulation.people.moderators import picture_cards
from tests.simulation.people.reach import press_button
from tests.simulation.people.requests import MEMBERS, MODERATORS
from tests.simulation.people.settings import change_setting
from tests.simulation.setup import open_panel
from tests.simulation.steps import Skip, action
from tests.simulation.story import Ask, Story
from tests.simulation.trouble.deaths import kill_at_call, kill_at_commit
from tests.simulation.trouble.services import POST, jump

_DECISIONS = ("Post", "Post", "Post as spoiler", "Delete")
_FORGED = ("show", "veil", "hide")
_DEPLOYMENTS = ("picture", "picture", "several")
# A card expires after a day, and the bot looks once an hour.
_EXPIRED = 26 * 3600.0


async def _card(story: Story, ask: Ask, within: float = 12) -> Message:
    """Wait for the card about a request. Raises Skip if there is none."""

    def found() -> list[Message]:
        return [card for card in picture_cards(story) if ask in story.asks_of(card)]

    await story.world.until(found, within)
    if not found():
        raise Skip("no card asks about its pictures")
    return found()[-1]


@action(
    "pictures",
    who=MEMBERS,
    deployment=_DEPLOYMENTS,
    count=(1, 1, 2, 3),
    people=lambda chance: chance.sample(MODERATORS, chance.choice((1, 2))),
    labels=lambda chance: chance.choices((*_DECISIONS, "Block"), k=2),
    late=(0, 0, 20, 3600, _EXPIRED),
    then=(None, "Details", "Use as input", "Share", "Delete"),
    weight=5,
)
async def decide_about_pictures(
    story: Story,
    who: str,
    deployment: str,
    count: int,
    *,
    people: list[str],
    labels: list[str],
    late: float,
    then: str | None,
) -> None:
    """Let one moderator decide, or two at once, perhaps after the card expired; then press another button."""
    asked = await request(story, who, "pictures", deployment, lurid=True, count=count)
    card = await _card(story, asked)
    if late > 60:
        jump(story, late)
    await asyncio.sleep(min(late, 60))
    pressed = [await story.press(each, card, label) for each, label in zip(people, labels, strict=False)]
    for each in pressed:
        opened = await story.answer(each)
        await story.submit(opened, {"reason": "not here", "duration": "hour"})
    await asyncio.sleep(4)
    if then is not None:
        await story.answer(await press_button(story, asked.number, None, then, 1))


@action("pictures", who=(*MODERATORS, *MEMBERS), others=MEMBERS, nth=range(3), weight=2)
async def forge_a_decision(story: Story, who: str, others: str, nth: int) -> None:
    """Let the requester and a stranger press or forge the buttons of a card."""
    asked = await request(story, who, "pictures", lurid=True)
    card = await _card(story, asked)
    await story.answer(await story.press(who, card, "Post"))
    key = story.key(asked)
    for person, where in ((who, "pictures"), (others, "pictures"), ("stranger", "outside")):
        for under in (await open_list(story, person, where, "help"), card):
            await story.answer(await story.forge(person, under, f"run:{key}:{_FORGED[nth]}"))


@action(
    "pictures",
    who=MEMBERS,
    first=("spoiler", "hide", "off", "hold"),
    then=(None, None, "hold", "hide", "off", "spoiler"),
    count=(1, 1, 2),
    button=("Share", "Details", "Use as input"),
    weight=3,
)
async def other_rules(
    story: Story, who: str, *, first: str, then: str | None, count: int, button: str
) -> None:
    """Change what happens to flagged results before a request, and perhaps again before its run ends."""
    await _set(story, first)
    asked, _ = await held_run(story, who, "pictures", lurid=True, count=count)
    if then is not None:
        await _set(story, then)
    release_all(story)
    await asyncio.sleep(10)
    await story.answer(await press_button(story, asked.number, None, button, 2))


async def _set(story: Story, flagged: str) -> None:
    panel = await open_panel(story, "mike", "pictures")
    await change_setting(story, panel, "pictures", flagged=[flagged])


def _draw_death(chance: random.Random) -> dict[str, object]:
    return {
        "who": chance.choice(MEMBERS),
        "deployment": chance.choice(_DEPLOYMENTS),
        "count": chance.choice((1, 1, 2)),
        "moment": chance.choice(("end", "end", "decision")),
        "nth": chance.choice((1, 2, 3, 4, 5, 6)),
        "after": chance.random() < 0.5,
        "call": chance.random() < 0.3,
        "lies": chance.random() < 0.3,
        "label": chance.choice(_DECISIONS),
    }


@action("pictures", _draw_death, weight=5)
async def die_around_a_check(
    story: Story,
    who: str,
    deployment: str,
    count: int,
    *,
    moment: str,
    nth: int,
    after: bool,
    call: bool,
    lies: bool,
    label: str,
) -> None:
    """Kill the bot between the check, its verdict, the post and the decision.

    If the checker `lies`, it changes its mind after the kill.
    """
    asked, _ = await held_run(story, who, "pictures", deployment, lurid=True, count=count)

    async def kill() -> None:
        if call:
            kill_at_call(story, POST, min(nth, 2), done=after, back=1.0)
        else:
            await kill_at_commit(story, nth, after=after, back=1.0)

    if moment == "end":
        await kill()
    release_all(story)
    if moment == "end" and lies:
        killed = len(story.world.processes)
        await story.world.until(lambda: len(story.world.processes) > killed, 10)
        story.world.checker.mood = Mood.LYING
        story.strike("the checker: lying for 20 s")
        await asyncio.sleep(20)
        story.world.checker.mood = Mood.WELL
    card = await _card(story, asked, 90)
    if moment == "decision":
        await kill()
    await story.answer(await story.press("mona", card, label))
    await asyncio.sleep(70)


@action("pictures", who=MEMBERS, mood=("away", "slow", "garbage", "lying"), label=_DECISIONS, weight=2)
async def unchecked(story: Story, who: str, mood: str, label: str) -> None:
    """Generate a harmless picture while the checker misbehaves; then a moderator decides."""
    story.world.checker.mood = Mood(mood)
    story.strike(f"the checker: {mood} for 30 s")
    asked = await request(story, who, "pictures")
    await asyncio.sleep(30)
    story.world.checker.mood = Mood.WELL
    await story.answer(await story.press("mona", await _card(story, asked), label))
    await asyncio.sleep(5)
