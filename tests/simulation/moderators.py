"""Moderators decide about requests and reports, block people, and read the audit log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.simulation.own_commands import menu
from tests.simulation.patches import TIME
from tests.simulation.people import MEMBERS, MODERATORS
from tests.simulation.reach import labels_of, press
from tests.simulation.steps import action
from tests.simulation.story import Story

_DECIDERS = (*MODERATORS, "rita")
_REASON = "not here"


def open_cards(story: Story) -> list[Message]:
    """Return the review cards that can still be decided."""
    return [card for card in _cards(story) if {"Approve", "Reject"} <= set(labels_of(card))]


def _report_cards(story: Story) -> list[Message]:
    """Return the cards of reports that are still open."""
    return [card for card in _cards(story) if "Dismiss" in labels_of(card)]


def _cards(story: Story) -> Iterator[Message]:
    for name in ("cards", "reports"):
        channel = story.world.channel(name)
        if not channel.deleted:
            yield from story.world.discord.messages(channel)


async def _card(story: Story, nth: int, wait: float, *, report: bool) -> Message | None:
    """Wait until there is an open card, and return it."""
    deadline = TIME.monotonic + wait
    while True:
        cards = _report_cards(story) if report else open_cards(story)
        if cards:
            return cards[nth % len(cards)]
        if TIME.monotonic >= deadline:
            story.skip(f"there is no open {'report' if report else 'review card'}")
            return None
        await asyncio.sleep(0.25)


def _draw_decision(chance: random.Random) -> dict[str, Any]:
    return {
        "nth": chance.randrange(3),
        "who": chance.choice(_DECIDERS),
        "wait": chance.choice((0, 4, 8)),
    }


async def _press_card(story: Story, who: str, card: Message, label: str) -> Interaction | None:
    return await story.answer(await story.press(who, card, label))


@action("moderate", lambda chance: _draw_decision(chance) | {"every": chance.random() < 0.5}, weight=8)
async def approve(story: Story, nth: int, who: str, wait: float, *, every: bool) -> None:
    """Approve a request, or every one that waits."""
    card = await _card(story, nth, wait, report=False)
    if card is not None:
        for each in open_cards(story) if every else [card]:
            await _press_card(story, who, each, "Approve")


@action("moderate", _draw_decision, weight=2)
async def reject(story: Story, nth: int, who: str, wait: float = 0) -> None:
    card = await _card(story, nth, wait, report=False)
    if card is not None:
        await _give_reason(story, await _press_card(story, who, card, "Reject"))


@action("moderate", _draw_decision)
async def block_by_card(story: Story, nth: int, who: str, wait: float) -> None:
    """Block the requester of a card, until the default duration is over."""
    card = await _card(story, nth, wait, report=False)
    if card is not None:
        await _give_reason(story, await _press_card(story, who, card, "Block"))


@action("moderate", _draw_decision, weight=0.4)
async def look_at_card(story: Story, nth: int, who: str, wait: float) -> None:
    card = await _card(story, nth, wait, report=False)
    if card is not None and await _press_card(story, who, card, "Details") is None:
        story.skip("the card shows everything, so it has no Details")


async def _give_reason(story: Story, opened: Interaction | None) -> None:
    """Send the form that asks for a reason, and for a block also for a duration."""
    values = {"reason": _REASON}
    if opened is not None and "'duration'" in str(opened.modal):
        values["duration"] = "hour"
    await story.submit(opened, values)


_DECISIONS = ("Approve", "Reject", "Block")


def _draw_two_decisions(chance: random.Random) -> dict[str, Any]:
    return {
        "nth": chance.randrange(3),
        "people": chance.sample(_DECIDERS, 2),
        "labels": [chance.choice(_DECISIONS), chance.choice(_DECISIONS)],
        "wait": chance.choice((3, 8)),
    }


@action("moderate", _draw_two_decisions, weight=3)
async def two_decide(story: Story, nth: int, people: list[str], labels: list[str], wait: float) -> None:
    """Let two moderators decide about one request at the same instant."""
    card = await _card(story, nth, wait, report=False)
    if card is not None:
        await _both(story, card, people, labels)


async def _both(story: Story, card: Message, people: list[str], labels: list[str]) -> None:
    """Press two buttons of a card at once, then send both forms that open."""
    pairs = zip(people, labels, strict=True)
    pressed = [await story.press(who, card, label) for who, label in pairs]
    opened = [await story.answer(each) for each in pressed]
    for each in opened:
        await _give_reason(story, each)


def _draw_report(chance: random.Random) -> dict[str, Any]:
    people = chance.sample(_DECIDERS, chance.choice((1, 1, 2)))
    return {
        "ask": chance.randrange(4),
        "who": chance.choice((None, *MEMBERS)),
        "wait": 12,
        "people": people,
        "labels": [chance.choice(("Delete", "Block", "Dismiss")) for _ in people],
    }


@action("moderate", _draw_report, weight=3)
async def report_and_decide(
    story: Story, ask: int, who: str | None, wait: float, *, people: list[str], labels: list[str]
) -> None:
    """Report a result; then a moderator decides, or two do at the same instant."""
    pressed = await press(story, ask, who, "Report", wait)
    if pressed is None:
        return
    await story.answer(pressed[1])
    card = await _card(story, 0, 4, report=True)
    if card is not None:
        await _both(story, card, people, labels)


# Blocks.


def _draw_block(chance: random.Random) -> dict[str, Any]:
    return {
        "who": chance.choice(MODERATORS),
        "whom": chance.choice((*MEMBERS, "mona")),
        "where": chance.choice(("pictures", "requests")),
        "duration": chance.choice((None, "hour", "open")),
        "unblock": chance.choice((None, 2, 8)),
    }


@action("block", _draw_block, weight=2)
async def block(
    story: Story, who: str, whom: str, *, where: str, duration: str | None, unblock: float | None
) -> None:
    """Block a member, and perhaps lift that after a while."""
    world = story.world
    options: dict[str, Any] = {"user": world.person(whom), "reason": _REASON}
    options |= {"duration": duration} if duration else {}
    await story.answer(await story.slash(who, where, "block", options))
    if unblock is not None:
        after = {"user": world.person(whom)}
        world.later(unblock, lambda: story.slash(who, where, "unblock", after))


@action(
    "block",
    lambda chance: {"who": chance.choice(MODERATORS), "where": chance.choice(("pictures", "requests"))},
)
async def unblock_in_list(story: Story, who: str, where: str) -> None:
    """Lift the first block in /blocked."""
    shown = await story.answer(await story.slash(who, where, "blocked", {}))
    if shown is None or shown.original is None or "Unblock" not in labels_of(shown.original):
        story.skip("nobody is blocked")
        return
    await story.answer(await story.press(who, shown.original, "Unblock"))


# The audit log.


def _draw_audit(chance: random.Random) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if chance.random() < 0.2:
        options["action"] = chance.choice(("request", "outcome", "approve", "delete", "refusal"))
    if chance.random() < 0.1:
        options["outcome"] = chance.choice(("succeeded", "failed", "cancelled"))
    return {
        "who": chance.choice(MODERATORS),
        "where": chance.choice(("pictures", "pictures", "pictures", "requests")),
        "options": options,
        "then": chance.choice(("CSV", "open", "open")),
    }


@action("audit", _draw_audit)
async def audit(story: Story, who: str, where: str, options: dict[str, Any], then: str) -> None:
    """Read the audit log, then download it or open a private result."""
    shown = await story.answer(await story.slash(who, where, "audit", options))
    message = shown.original if shown is not None else None
    if message is None:
        story.skip("/audit wasn't answered")
    elif then == "open":
        await _open_private(story, who, message)
    elif await story.answer(await story.press(who, message, "CSV file")) is None:
        story.skip("/audit has nothing to download")


async def _open_private(story: Story, who: str, message: Message) -> None:
    found = menu(message, "private")
    if found is None:
        story.skip("/audit lists no private result")
        return
    value = found["options"][0]["value"]
    await story.answer(await story.press(who, message, found["custom_id"], value))
