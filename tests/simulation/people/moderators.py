"""Actions: moderators decide about requests and reports, block people, and read the audit log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.simulation.people.asking import open_list, request
from tests.simulation.people.reach import labels_of, press
from tests.simulation.people.requests import MEMBERS, MODERATORS, ask, send_request
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story

_DECIDERS = (*MODERATORS, "rita")
_REASON = "not here"
# The prefix of each report's note.
NOTE = "reportnote"


def open_cards(story: Story) -> list[Message]:
    """Return the review cards that await a decision."""
    return [card for card in _cards(story) if {"Approve", "Reject"} <= set(labels_of(card))]


async def review_card(story: Story, who: str, **options: Any) -> Message:
    """Send a request that needs approval, and wait for its card. Raises Skip if there is none."""
    await request(story, who, "requests", **options)
    if not await story.world.until(lambda: open_cards(story), 8):
        raise Skip("there is no review card")
    return open_cards(story)[-1]


def _report_cards(story: Story) -> list[Message]:
    """Return the report cards that are still open."""
    return [card for card in _cards(story) if "Dismiss" in labels_of(card)]


def picture_cards(story: Story) -> list[Message]:
    """Return the open cards about outputs that wait for a moderator."""
    return [card for card in _cards(story) if "Post as spoiler" in labels_of(card)]


def _cards(story: Story) -> Iterator[Message]:
    for name in ("cards", "reports"):
        channel = story.world.channel(name)
        if not channel.deleted:
            yield from story.world.discord.messages(channel)


async def _card(story: Story, nth: int, wait: float, cards: Callable[[Story], list[Message]]) -> Message:
    """Wait for one of these cards. Raises Skip if there is none in time."""
    await story.world.until(lambda: cards(story), wait)
    found = cards(story)
    if not found:
        raise Skip("there is no open card")
    return found[nth % len(found)]


_DECISION: dict[str, Any] = {"nth": range(3), "who": _DECIDERS, "wait": (0, 4, 8)}


async def _press_card(story: Story, who: str, card: Message, label: str) -> Interaction | None:
    return await story.answer(await story.press(who, card, label))


@action("moderate", **_DECISION, every=0.5, weight=8)
async def approve(story: Story, nth: int, who: str, wait: float, *, every: bool) -> None:
    """Approve one waiting request or all of them."""
    card = await _card(story, nth, wait, open_cards)
    for each in open_cards(story) if every else [card]:
        await _press_card(story, who, each, "Approve")


@action("moderate", **_DECISION, label=("Reject", "Reject", "Block"), weight=3)
async def turn_away(story: Story, nth: int, who: str, wait: float, label: str) -> None:
    """Reject a request, or block its requester for an hour."""
    card = await _card(story, nth, wait, open_cards)
    await _give_reason(story, await _press_card(story, who, card, label))


@action("moderate", who=_DECIDERS, whose=MEMBERS)
async def look_at_card(story: Story, who: str, whose: str) -> None:
    """Send a request with a long prompt, and press Details on its card."""
    earlier = [card.id for card in open_cards(story)]
    await ask(story, whose, "requests", "picture", long=True)
    await asyncio.sleep(2)
    cards = [card for card in open_cards(story) if card.id not in earlier]
    if not cards or await _press_card(story, who, cards[0], "Details") is None:
        story.skip("no new card has Details")


async def _give_reason(story: Story, opened: Interaction | None) -> None:
    """Submit the form of a decision, with a reason and, for a block, a duration."""
    values = {"reason": _REASON}
    if opened is not None and "'duration'" in str(opened.modal):
        values["duration"] = "hour"
    await story.submit(opened, values)


_DECISIONS = ("Approve", "Reject", "Block")


@action(
    "moderate",
    nth=range(3),
    people=lambda chance: chance.sample(_DECIDERS, 2),
    labels=lambda chance: [chance.choice(_DECISIONS), chance.choice(_DECISIONS)],
    wait=(3, 8),
    weight=3,
)
async def two_decide(story: Story, nth: int, people: list[str], labels: list[str], wait: float) -> None:
    """Let two moderators decide about one request at the same instant."""
    await _both(story, await _card(story, nth, wait, open_cards), people, labels)


async def _both(story: Story, card: Message, people: list[str], labels: list[str]) -> None:
    """Press buttons of a card at once as several moderators, then submit the forms that open."""
    pairs = zip(people, labels, strict=True)
    pressed = [await story.press(who, card, label) for who, label in pairs]
    opened = [await story.answer(each) for each in pressed]
    for each in opened:
        await _give_reason(story, each)


async def send_report(story: Story, pressed: Interaction | None) -> None:
    """Fill in the form that *Report* opened, with a unique note."""
    opened = await story.answer(pressed)
    number = sum(NOTE in str(press.values) for press in story.presses)
    reason = ("rules", "harassment", "sexual", "other")[number % 4]
    await story.answer(await story.submit(opened, {"reason": reason, "note": f"{NOTE}{number}x"}))


@action(
    "moderate",
    nth=range(4),
    who=(None, *MEMBERS),
    people=lambda chance: chance.sample(_DECIDERS, chance.choice((1, 1, 2))),
    labels=lambda chance: chance.choices(("Delete", "Block", "Dismiss"), k=2),
    weight=3,
)
async def report_and_decide(
    story: Story, nth: int, who: str | None, *, people: list[str], labels: list[str]
) -> None:
    """Report a result; then one moderator decides, or two at the same instant."""
    pressed = await press(story, nth, who, "Report", 12)
    if pressed is None:
        return
    await send_report(story, pressed[1])
    await _both(story, await _card(story, 0, 4, _report_cards), people, labels[: len(people)])


# Blocks.


@action(
    "block",
    who=MODERATORS,
    whom=(*MEMBERS, "mona"),
    where=("pictures", "requests"),
    duration=(None, "hour", "open"),
    unblock=(None, 2, 8),
    weight=2,
)
async def block(
    story: Story, who: str, whom: str, *, where: str, duration: str | None, unblock: float | None
) -> None:
    """Block a member, and perhaps unblock them after some seconds."""
    world = story.world
    options: dict[str, Any] = {"user": world.person(whom), "reason": _REASON}
    options |= {"duration": duration} if duration else {}
    await story.answer(await story.slash(who, where, "block", options))
    if unblock is not None:
        after = {"user": world.person(whom)}
        world.later(unblock, lambda: story.slash(who, where, "unblock", after))


@action("block", people=[MODERATORS], whom=MEMBERS, where=("pictures", "requests"))
async def unblock_in_list(story: Story, people: tuple[str, str], whom: str, where: str) -> None:
    """Block a member, and let two moderators press the first Unblock of /blocked at the same instant."""
    options = {"user": story.world.person(whom), "reason": _REASON}
    await story.answer(await story.slash(people[0], where, "block", options))
    lists = [await open_list(story, who, where, "blocked") for who in people]
    for who, shown in zip(people, lists, strict=True):
        if "Unblock" not in labels_of(shown):
            raise Skip("nobody is blocked")
        await story.press(who, shown, "Unblock")


# The audit log.


def _draw_audit(chance: random.Random) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if chance.random() < 0.3:
        options["action"] = chance.choice(("request", "outcome", "approve", "delete", "refusal"))
    if chance.random() < 0.2:
        options["outcome"] = chance.choice(("succeeded", "failed", "cancelled"))
    return {
        "who": chance.choice(MODERATORS),
        "where": chance.choice(("pictures", "requests")),
        "options": options,
    }


@action("audit", _draw_audit)
async def audit(story: Story, who: str, where: str, options: dict[str, Any]) -> None:
    """Read the audit log, and download it."""
    shown = await open_list(story, who, where, "audit", options)
    if await story.answer(await story.press(who, shown, "CSV file")) is None:
        story.skip("/audit has nothing to download")


@action("audit", who=MODERATORS, whose=MEMBERS, new=0.7)
async def open_private(story: Story, who: str, whose: str, *, new: bool) -> None:
    """Open a private result from the audit log, perhaps a new one."""
    if new:
        await send_request(story, whose, "pictures", "picture", private=True)
        await asyncio.sleep(6)
    message = await open_list(story, who, "pictures", "audit")
    found = next((each for each in message.custom_ids if each.startswith("auditopen:")), None)
    if found is None:
        raise Skip("/audit lists no private result")
    await story.answer(await story.press(who, message, found))
