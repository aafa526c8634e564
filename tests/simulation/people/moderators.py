"""Actions: moderators decide about requests, reports and pictures, and block people."""

from __future__ import annotations

from tests.fakediscord.world import Message
from tests.simulation.people.asking import fill_in, labels_of, press_and_wait
from tests.simulation.people.requests import MEMBERS, MODERATORS
from tests.simulation.steps import Draw, Skip, action, sample
from tests.simulation.story import Ask, Story

_DECIDERS = (*MODERATORS, "rita")
# What moderators press, by the label that a card has while it is open.
_DECISIONS = {
    "Approve": (*["Approve"] * 4, "Reject", "Reject", "Block", "Details"),
    "Dismiss": ("Delete", "Block", "Dismiss"),
    "Post as spoiler": ("Post", "Post as spoiler", "Delete", "Block"),
}


def open_cards(story: Story, label: str = "Approve", about: Ask | None = None) -> list[Message]:
    """Return the cards that await a decision and have a button with this label."""
    channels = [story.world.channel(name) for name in ("cards", "reports")]
    cards = [card for each in channels if not each.deleted for card in story.discord.messages(each)]
    return [c for c in cards if label in labels_of(c) and (about is None or about in story.asks_of(c))]


async def wait_for_cards(
    story: Story, within: float, label: str = "Approve", count: int = 1
) -> list[Message]:
    """Wait for so many cards, and return all. Raises Skip if there is none in time."""
    await story.world.until(lambda: len(open_cards(story, label)) >= count, within)
    if not open_cards(story, label):
        raise Skip("there is no open card")
    return open_cards(story, label)


async def press_together(story: Story, card: Message, people: list[str], labels: list[str]) -> None:
    """Press buttons of a card at once as several moderators, then submit the forms that open."""
    pressed = [await story.press(who, card, label) for who, label in zip(people, labels, strict=False)]
    opened = [await story.answer(each) for each in pressed]
    for each in opened:
        await fill_in(story, each)


@action("moderate", weight=14)
async def decide(story: Story, draw: Draw) -> None:
    """Let one moderator decide, or two at the same instant; perhaps approve all others.

    Before a decision about a report, somebody reports a result.
    """
    kind = draw(kind={"Approve": 14, "Dismiss": 3, "Post as spoiler": 1})
    people, nth, wait, every = draw(
        people=sample(_DECIDERS, 1, 1, 2), nth=range(3), wait=(0, 4, 8), every=0.3
    )
    labels = draw(labels=lambda chance: chance.choices(_DECISIONS[kind], k=2))
    if kind == "Dismiss":
        reporter = draw(reporter=(None, *MEMBERS))
        await fill_in(story, await press_and_wait(story, nth, reporter, "Report", 12))
    cards = await wait_for_cards(story, wait, kind)
    await press_together(story, cards[nth % len(cards)], people, labels)
    for card in open_cards(story) if every else ():
        await story.answer(await story.press(people[0], card, "Approve"))


@action("block", weight=2)
async def block(story: Story, draw: Draw) -> None:
    """Block a member, and perhaps unblock them after some seconds."""
    who, whom, where = draw(who=MODERATORS, whom=(*MEMBERS, "mona"), where=("pictures", "requests"))
    duration, unblock = draw(duration=(None, "hour", "open"), unblock=(None, 2, 8))
    member = {"person": story.world.person(whom)}
    options = {**member, "reason": "not here"} | ({"duration": duration} if duration else {})
    await story.answer(await story.slash(who, where, "block", options))
    if unblock is not None:
        story.world.later(unblock, lambda: story.slash(who, where, "unblock", member))
