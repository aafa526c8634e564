"""Members report results again and again; moderators decide while Discord loses answers."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import outcome, request
from tests.simulation.people.buttons import draw_press
from tests.simulation.people.moderators import open_cards, send_report
from tests.simulation.people.reach import labels_of, press, press_button
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import action
from tests.simulation.story import Story
from tests.simulation.trouble.deaths import kill_at_commit

_CALLBACK = "POST /interactions/{webhook_id}/{webhook_token}/callback"


@action("press", draw_press)
async def report(story: Story, ask: int, who: str | None, wait: float) -> None:
    """Report a result."""
    found = await press(story, ask, who, "Report", wait)
    if found is not None:
        await send_report(story, found[1])


def _draw_again(chance: random.Random) -> dict[str, Any]:
    return {
        "who": chance.choice(MEMBERS),
        "reporters": chance.sample(MEMBERS, 2),
        "pause": chance.choice((0.5, 5.0, 60.0)),
    }


@action("reports", _draw_again, weight=3)
async def report_again(story: Story, who: str, reporters: list[str], pause: float) -> None:
    """Report a result, let a moderator dismiss that, and report it again as somebody else."""
    asked = await request(story, who, "pictures")
    if asked is None or await outcome(story, asked) is None:
        story.skip("no result appeared")
        return
    for reporter in reporters:
        await send_report(story, await press_button(story, asked.number, reporter, "Report", 2))
        await asyncio.sleep(3)
        cards = [m for m in story.visible("mona") if "Dismiss" in set(labels_of(m))]
        if not cards:
            story.skip("there is no open report")
            return
        if reporter == reporters[0]:
            await story.answer(await story.press("mona", cards[-1], "Dismiss"))
            await asyncio.sleep(pause)


def _draw_lost(chance: random.Random) -> dict[str, Any]:
    return {
        "who": chance.choice(MEMBERS),
        "moderator": chance.choice(("mike", "rita", "mona")),
        "label": chance.choice(("Approve", "Approve", "Reject")),
        "fault": chance.choice(("drop", "drop", "late")),
    }


@action("reports", _draw_lost, weight=3)
async def decision_without_answer(story: Story, who: str, moderator: str, label: str, fault: str) -> None:
    """Decide about a request while Discord takes no answer from the bot."""
    if await request(story, who, "requests") is None:
        return
    await story.world.until(lambda: open_cards(story), 8)
    cards = open_cards(story)
    if not cards:
        story.skip("there is no review card")
        return
    effect = Fault.drop_before() if fault == "drop" else Fault.delay(4.0)
    story.world.discord.faults.add(_CALLBACK, effect, times=6 if fault == "drop" else 1)
    story.strike(f"Discord: the next answer: {fault}")
    opened = await story.answer(await story.press(moderator, cards[-1], label))
    await asyncio.sleep(3)
    story.world.discord.faults.rules = [r for r in story.world.discord.faults.rules if r.route != _CALLBACK]
    await story.submit(opened, {"reason": "no"})
    await asyncio.sleep(4)


@action(
    "reports",
    lambda chance: {
        "who": chance.choice(MEMBERS),
        "nth": chance.choice((2, 3, 3)),
        "after": chance.random() < 0.8,
    },
    weight=3,
)
async def die_after_a_decision(story: Story, who: str, nth: int, *, after: bool) -> None:
    """Kill the bot when it has stored an approval, before the card shows it."""
    story.world.next_faults({"hold_at": "running"})
    if await request(story, who, "requests") is None:
        return
    await story.world.until(lambda: open_cards(story), 8)
    await asyncio.sleep(1)
    cards = open_cards(story)
    if not cards:
        story.skip("there is no review card")
        return
    await kill_at_commit(story, nth, after=after, back=1.0)
    await story.answer(await story.press("mona", cards[-1], "Approve"))
    await asyncio.sleep(60)
