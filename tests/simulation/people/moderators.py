"""Actions: moderators decide about requests and reports, block people, and read the audit log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.chaos.faults import DEFER, POST
from tests.fakediscord.faults import Fault, Rule
from tests.fakediscord.world import Message
from tests.simulation.people.asking import fill_in, labels_of, open_list, press_and_wait, request
from tests.simulation.people.requests import MEMBERS, MODERATORS
from tests.simulation.steps import Draw, Skip, action, sample
from tests.simulation.story import Story
from tests.simulation.trouble.deaths import kill_after_call, kill_at_commit

_DECIDERS = (*MODERATORS, "rita")


def open_cards(story: Story) -> list[Message]:
    """Return the review cards that await a decision."""
    return [card for card in _cards(story) if {"Approve", "Reject"} <= set(labels_of(card))]


def picture_cards(story: Story) -> list[Message]:
    """Return the open cards about outputs that wait for a moderator."""
    return [card for card in _cards(story) if "Post as spoiler" in labels_of(card)]


def _report_cards(story: Story) -> list[Message]:
    return [card for card in _cards(story) if "Dismiss" in labels_of(card)]


def _cards(story: Story) -> Iterator[Message]:
    for name in ("cards", "reports"):
        channel = story.world.channel(name)
        if not channel.deleted:
            yield from story.discord.messages(channel)


async def wait_for_cards(
    story: Story, within: float, cards: Callable[[Story], list[Message]] = open_cards, count: int = 1
) -> list[Message]:
    """Wait for so many cards, and return all. Raises Skip if there is none in time."""
    await story.world.until(lambda: len(cards(story)) >= count, within)
    if not cards(story):
        raise Skip("there is no open card")
    return cards(story)


async def review_card(story: Story, who: str, **options: Any) -> Message:
    """Send a request that needs approval, and wait for its card. Raises Skip if there is none."""
    await request(story, who, "requests", **options)
    return (await wait_for_cards(story, 8))[-1]


async def press_together(story: Story, card: Message, people: list[str], labels: list[str]) -> None:
    """Press buttons of a card at once as several moderators, then submit the forms that open."""
    pressed = [await story.press(who, card, label) for who, label in zip(people, labels, strict=False)]
    opened = [await story.answer(each) for each in pressed]
    for each in opened:
        await fill_in(story, each)


@action("moderate", weight=14)
async def decide(story: Story, draw: Draw) -> None:
    """Let one moderator decide about a request, or two at the same instant; perhaps approve all others."""
    people, nth, wait, every = draw(
        people=sample(_DECIDERS, 1, 1, 2), nth=range(3), wait=(0, 4, 8), every=0.3
    )
    decisions = (*["Approve"] * 6, "Reject", "Reject", "Block", "Details")
    labels = draw(labels=lambda chance: chance.choices(decisions, k=2))
    cards = await wait_for_cards(story, wait)
    await press_together(story, cards[nth % len(cards)], people, labels)
    for card in open_cards(story) if every else ():
        await story.answer(await story.press(people[0], card, "Approve"))


@action("moderate", weight=3)
async def report_and_decide(story: Story, draw: Draw) -> None:
    """Report a result; then one moderator decides, or two at the same instant."""
    number, who, people = draw(nth=range(4), who=(None, *MEMBERS), people=sample(_DECIDERS, 1, 1, 2))
    labels = draw(labels=lambda chance: chance.choices(("Delete", "Block", "Dismiss"), k=2))
    await fill_in(story, await press_and_wait(story, number, who, "Report", 12))
    cards = await wait_for_cards(story, 4, _report_cards)
    await press_together(story, cards[0], people, labels)


# What goes wrong with a decision, its answer, or the direct message about it.
_TROUBLES: dict[str, Callable[[Story, int], Rule | None]] = {
    "unanswered": lambda story, _: story.discord.faults.add(DEFER, Fault.drop_before(), times=6),
    "late": lambda story, _: story.discord.faults.add(DEFER, Fault.delay(4.0)),
    "POST lost": lambda story, _: story.discord.faults.add(POST, Fault.lose_reply()),
    "killed after letter": lambda story, nth: kill_after_call(story, POST, nth=nth, back=2.0),
    "killed before commit": lambda story, nth: kill_at_commit(story, nth, after=False, back=1.0),
    "killed after commit": lambda story, nth: kill_at_commit(story, nth, after=True, back=1.0),
}


@action("reports", weight=9)
async def decide_in_trouble(story: Story, draw: Draw) -> None:
    """Decide about requests while something goes wrong, perhaps again where the buttons still stand."""
    who, moderator, count = draw(who=MEMBERS, moderator=("mike", "rita", "mona"), count=(1, 1, 2, 3))
    label = draw(label=("Approve", "Approve", "Reject", "Reject", "Block"))
    trouble, nth = draw(trouble=("none", "none", *_TROUBLES), nth=(1, 2, 3, 3))
    again = draw(again=(None, None, 0.3, 3.0, 8.0))
    for _ in range(count):
        await request(story, who, "requests")
    cards = await wait_for_cards(story, 8, count=count)
    rule = None
    if trouble != "none":
        rule = _TROUBLES[trouble](story, nth)
        story.strike(f"Discord: the next answer: {trouble}")
    for card in cards[-1:] if label == "Block" else cards[-count:]:
        pressed = await story.press(moderator, card, label)
        opened = await story.answer(pressed)
        await asyncio.sleep(3 if again is None else again)
        if rule is not None:
            story.discord.faults.remove(rule)
        if again is not None and pressed is not None:
            opened = await story.answer(await story.forge(moderator, card, str(pressed.data["custom_id"])))
        await fill_in(story, opened)
    await asyncio.sleep(10)


# Blocks.


@action("block", weight=2)
async def block(story: Story, draw: Draw) -> None:
    """Block a member, and perhaps unblock them after some seconds."""
    who, whom, where = draw(who=MODERATORS, whom=(*MEMBERS, "mona"), where=("pictures", "requests"))
    duration, unblock = draw(duration=(None, "hour", "open"), unblock=(None, 2, 8))
    member = {"user": story.world.person(whom)}
    options = {**member, "reason": "not here"} | ({"duration": duration} if duration else {})
    await story.answer(await story.slash(who, where, "block", options))
    if unblock is not None:
        story.world.later(unblock, lambda: story.slash(who, where, "unblock", member))


# The audit log.


def _draw_filters(chance: random.Random) -> dict[str, str]:
    filters = {
        "action": (0.3, ("request", "outcome", "approve", "delete", "refusal")),
        "outcome": (0.2, ("succeeded", "failed", "cancelled")),
    }
    return {
        name: chance.choice(values) for name, (likely, values) in filters.items() if chance.random() < likely
    }


@action("audit")
async def audit(story: Story, draw: Draw) -> None:
    """Read the audit log, download it, and open a private result, perhaps a new one."""
    who, where, options = draw(who=MODERATORS, where=("pictures", "requests"), options=_draw_filters)
    if draw(new=0.3):
        await request(story, "alice", "pictures", private=True)
        await asyncio.sleep(6)
    shown = await open_list(story, who, where, "audit", options)
    await story.answer(await story.press(who, shown, "CSV file"))
    for found in [each for each in shown.custom_ids if each.startswith("auditopen:")][:1]:
        await story.answer(await story.press(who, shown, found))
