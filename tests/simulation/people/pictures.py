"""Actions: outputs that the checker flags wait, and moderators, requesters and strangers press their card."""

from __future__ import annotations

import asyncio

from demo.picture_check import Mood
from tests.chaos.faults import POST
from tests.fakediscord.world import Message
from tests.simulation.people.asking import fill_in, held_run, press_and_wait, release_all, request
from tests.simulation.people.moderators import picture_cards, press_together, wait_for_cards
from tests.simulation.people.requests import MEMBERS, MODERATORS
from tests.simulation.people.settings import change_setting
from tests.simulation.setup import open_panel
from tests.simulation.steps import Draw, action, sample
from tests.simulation.story import Ask, Story
from tests.simulation.trouble.deaths import kill_at_call, kill_at_commit
from tests.simulation.trouble.services import jump, set_mood
from tests.simulation.world import LURID

_DECISIONS = ("Post", "Post", "Post as spoiler", "Delete")
_DEPLOYMENTS = ("picture", "picture", "several")
# A card expires after a day, and the bot looks once an hour.
_EXPIRED = 26 * 3600.0


async def _card(story: Story, ask: Ask, within: float = 12) -> Message:
    """Wait for the card about a request. Raises Skip if there is none."""
    return (
        await wait_for_cards(
            story, within, lambda story: [card for card in picture_cards(story) if ask in story.asks_of(card)]
        )
    )[-1]


@action("pictures", weight=5)
async def decide_about_pictures(story: Story, draw: Draw) -> None:
    """Let one moderator decide, or two at once, perhaps after the card expired; then press another button."""
    who, deployment, count = draw(who=(*MEMBERS, "mona"), deployment=_DEPLOYMENTS, count=(1, 1, 2, 3))
    people, late = draw(people=sample(MODERATORS, 1, 2), late=(0, 0, 20, 3600, _EXPIRED))
    labels = draw(labels=lambda chance: chance.choices((*_DECISIONS, "Block"), k=2))
    then = draw(then=("", "Details", "Use as input", "Share", "Delete"))
    asked = await request(story, who, "pictures", deployment, words=LURID, count=count)
    card = await _card(story, asked)
    if late > 60:
        jump(story, late)
    await asyncio.sleep(min(late, 60))
    await press_together(story, card, people, labels)
    await asyncio.sleep(4)
    if then:
        await press_and_wait(story, asked.number, None, then, 1)


@action("pictures", weight=3)
async def other_rules(story: Story, draw: Draw) -> None:
    """Change what happens to flagged results before a request, and perhaps again before its run ends."""
    who, count, button = draw(who=MEMBERS, count=(1, 1, 2), button=("Share", "Details", "Use as input"))
    first, then = draw(
        first=("spoiler", "hide", "off", "hold"), then=("", "", "hold", "hide", "off", "spoiler")
    )
    await _set(story, first)
    asked, _ = await held_run(story, who, "pictures", words=LURID, count=count)
    if then:
        await _set(story, then)
    release_all(story)
    await asyncio.sleep(10)
    await press_and_wait(story, asked.number, None, button, 2)


async def _set(story: Story, flagged: str) -> None:
    panel = await open_panel(story, "mike", "pictures")
    await change_setting(story, panel, "pictures", flagged=[flagged])


@action("pictures", weight=5)
async def die_around_a_check(story: Story, draw: Draw) -> None:
    """Kill the bot between the check, its verdict, the post and the decision.

    If the checker `lies`, it changes its mind after the kill.
    """
    who, deployment, count = draw(who=MEMBERS, deployment=_DEPLOYMENTS, count=(1, 1, 2))
    decided, lies, label = draw(decided=0.3, lies=0.3, label=_DECISIONS)
    nth, after, at_post = draw(nth=(1, 2, 3, 4, 5, 6), after=0.5, at_post=0.3)
    asked, _ = await held_run(story, who, "pictures", deployment, words=LURID, count=count)

    def kill() -> None:
        if at_post:
            kill_at_call(story, POST, min(nth, 2), done=after, back=1.0)
        else:
            kill_at_commit(story, nth, after=after, back=1.0)

    if not decided:
        kill()
    release_all(story)
    if lies and not decided:
        killed = len(story.world.processes)
        await story.world.until(lambda: len(story.world.processes) > killed, 10)
        set_mood(story, Mood.LYING.value, 20)
    card = await _card(story, asked, 90)
    if decided:
        kill()
    await fill_in(story, await story.answer(await story.press("mona", card, label)))
    await asyncio.sleep(70)


@action("pictures", weight=2)
async def unchecked(story: Story, draw: Draw) -> None:
    """Generate a harmless picture while the checker misbehaves; then a moderator decides."""
    who, mood, label = draw(who=MEMBERS, mood=("away", "slow", "garbage", "lying"), label=_DECISIONS)
    set_mood(story, mood, 30)
    asked = await request(story, who, "pictures")
    await asyncio.sleep(30)
    await story.answer(await story.press("mona", await _card(story, asked), label))
    await asyncio.sleep(5)
