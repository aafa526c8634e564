"""What people do: members, moderators, the bot's owner and strangers."""

from __future__ import annotations

import random
from typing import Any

from tests.fakediscord.world import Message
from tests.simulation.patches import TIME
from tests.simulation.steps import action, nothing
from tests.simulation.story import Ask, Story
from tests.simulation.world import FORBIDDEN

MEMBERS = ("alice", "bob", "carol")
EVERYBODY = (*MEMBERS, "mona", "stranger", "owner")
PLACES = ("pictures", "pictures", "requests", "requests", "adult", "dm")
# Pictures are larger than this many bytes, so the bot recompresses them or links to them.
_SMALL_LIMIT = 3000


def _draw_ask(chance: random.Random) -> dict[str, Any]:
    who, where = chance.choice(MEMBERS), chance.choice(PLACES)
    deployment = chance.choices(
        ("picture", "several", "text", "trouble", "restricted"), (6, 2, 1, 1, 1)
    )[0]
    drawn: dict[str, Any] = {
        "who": who,
        "where": f"dm:{who}" if where == "dm" else where,
        "deployment": deployment,
    }
    if deployment == "picture" and chance.random() < 0.3:
        drawn["count"] = chance.choice((2, 3, 4))
    if deployment == "picture" and chance.random() < 0.3:
        drawn["gpu"] = chance.choice(("A10G", "H100"))
    if chance.random() < 0.2:
        drawn["private"] = True
    if chance.random() < 0.05:
        drawn["forbidden"] = True
    if chance.random() < 0.15:
        drawn["size_limit"] = _SMALL_LIMIT
    return drawn


@action("ask", _draw_ask)
async def ask(
    story: Story,
    who: str,
    where: str,
    deployment: str,
    *,
    count: int = 1,
    gpu: str = "",
    private: bool = False,
    forbidden: bool = False,
    size_limit: int | None = None,
) -> None:
    """Send /generate with a prompt that no other request has."""
    number = len(story.asks)
    mark = f"fox{number}x"
    prompt = f"{mark} {FORBIDDEN}" if forbidden else f"a {mark}"
    options: dict[str, Any] = {"prompt": prompt}
    if deployment == "trouble":
        options = {"prompt": prompt}
    if count > 1:
        options["count"] = count
    if gpu:
        options["gpu"] = gpu
    if private:
        options["private"] = True
    sent = await story.slash(who, where, f"generate {deployment}", options, size_limit=size_limit)
    if sent is not None:
        story.asks.append(
            Ask(number, who, where, mark, private, count, deployment, sent, TIME.monotonic)
        )


def _draw_press(chance: random.Random) -> dict[str, Any]:
    return {"ask": chance.randrange(4), "who": chance.choice((None, None, None, *EVERYBODY))}


@action("press", _draw_press, weight=3)
async def cancel(story: Story, ask: int, who: str | None) -> None:
    """Press Cancel under a status message, as its author or as somebody else."""
    await _press(story, ask, who, "Cancel")


@action("press", _draw_press)
async def again(story: Story, ask: int, who: str | None) -> None:
    await _press(story, ask, who, "Again")


@action("press", _draw_press)
async def details(story: Story, ask: int, who: str | None) -> None:
    await _press(story, ask, who, "Details")


@action("press", _draw_press)
async def delete(story: Story, ask: int, who: str | None) -> None:
    await _press(story, ask, who, "Delete")


@action("press", _draw_press)
async def upscale(story: Story, ask: int, who: str | None) -> None:
    await _press(story, ask, who, "Upscale")


@action("press", _draw_press)
async def share(story: Story, ask: int, who: str | None) -> None:
    await _press(story, ask, who, "Share")


@action("press", _draw_press)
async def report(story: Story, ask: int, who: str | None) -> None:
    await _press(story, ask, who, "Report")


async def _press(story: Story, number: int, who: str | None, label: str) -> None:
    """Press a button under the newest message about a request that has it."""
    if number >= len(story.asks):
        return
    asked = story.asks[number]
    person = who or asked.who
    for message in reversed(story.of_ask(asked, person)):
        if await story.press(person, message, label) is not None:
            return


@action("moderate", lambda chance: {"nth": chance.randrange(3), "who": "mona"}, weight=4)
async def approve(story: Story, nth: int, who: str) -> None:
    card = _card(story, nth)
    if card is not None:
        await story.press(who, card, "Approve")


@action("moderate", lambda chance: {"nth": chance.randrange(3), "who": "mona"})
async def reject(story: Story, nth: int, who: str) -> None:
    card = _card(story, nth)
    if card is None:
        return
    opened = await story.answer(await story.press(who, card, "Reject"))
    if opened is not None and opened.modal is not None:
        await story.world.discord.submit(opened, {"reason": "not here"})


def open_cards(story: Story) -> list[Message]:
    """Return the review cards that can still be decided."""
    cards = story.world.discord.messages(story.world.channel("cards"))
    return [card for card in cards if "Approve" in card.text and "Reject" in card.text]


def _card(story: Story, nth: int) -> Message | None:
    cards = open_cards(story)
    return cards[nth % len(cards)] if cards else None


@action("command", lambda chance: {"who": chance.choice(MEMBERS), "name": chance.choice(("runs", "queue", "usage"))})
async def look(story: Story, who: str, name: str) -> None:
    """Read a list."""
    await story.slash(who, "pictures", name, {})


@action("command", lambda chance: {"who": chance.choice(MEMBERS)})
async def erase(story: Story, who: str) -> None:
    await story.slash(who, "pictures", "privacy delete", {})


@action("command", lambda chance: {"resume_after": chance.uniform(1, 20)})
async def pause(story: Story, resume_after: float) -> None:
    await story.answer(await story.slash("owner", "dm:owner", "pause", {"reason": "simulated"}))
    story.world.loop.call_later(resume_after, lambda: story.world.loop.create_task(resume(story)))


async def resume(story: Story) -> None:
    await story.answer(await story.slash("owner", "dm:owner", "resume", {}))


_ = nothing
