"""Actions: members report results; moderators decide while answers get lost or the bot is killed."""

from __future__ import annotations

import asyncio

from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import request, result
from tests.simulation.people.buttons import PRESS
from tests.simulation.people.moderators import open_cards, send_report
from tests.simulation.people.reach import labels_of, press, press_button
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.deaths import kill_at_commit

_CALLBACK = "POST /interactions/{webhook_id}/{webhook_token}/callback"


@action("press", **PRESS)
async def report(story: Story, ask: int, who: str | None, wait: float) -> None:
    """Report a result."""
    found = await press(story, ask, who, "Report", wait)
    if found is not None:
        await send_report(story, found[1])


@action(
    "reports",
    who=MEMBERS,
    reporters=lambda chance: chance.sample(MEMBERS, 2),
    pause=(0.5, 5.0, 60.0),
    weight=3,
)
async def report_again(story: Story, who: str, reporters: list[str], pause: float) -> None:
    """Report a result, dismiss the report as a moderator, and report the result as somebody else."""
    asked, _ = await result(story, who, "pictures")
    for reporter in reporters:
        await send_report(story, await press_button(story, asked.number, reporter, "Report", 2))
        await asyncio.sleep(3)
        cards = [m for m in story.visible("mona") if "Dismiss" in set(labels_of(m))]
        if not cards:
            raise Skip("there is no open report")
        if reporter == reporters[0]:
            await story.answer(await story.press("mona", cards[-1], "Dismiss"))
            await asyncio.sleep(pause)


@action(
    "reports",
    who=MEMBERS,
    moderator=("mike", "rita", "mona"),
    label=("Approve", "Approve", "Reject"),
    fault=("drop", "drop", "late"),
    weight=3,
)
async def decision_without_answer(story: Story, who: str, moderator: str, label: str, fault: str) -> None:
    """Decide about a request while the bot's answers don't reach Discord in time."""
    if await request(story, who, "requests") is None:
        return
    await story.world.until(lambda: open_cards(story), 8)
    cards = open_cards(story)
    if not cards:
        raise Skip("there is no review card")
    effect = Fault.drop_before() if fault == "drop" else Fault.delay(4.0)
    story.world.discord.faults.add(_CALLBACK, effect, times=6 if fault == "drop" else 1)
    story.strike(f"Discord: the next answer: {fault}")
    opened = await story.answer(await story.press(moderator, cards[-1], label))
    await asyncio.sleep(3)
    story.world.discord.faults.rules = [r for r in story.world.discord.faults.rules if r.route != _CALLBACK]
    await story.submit(opened, {"reason": "no"})
    await asyncio.sleep(4)


@action("reports", who=MEMBERS, nth=(2, 3, 3), after=0.8, weight=3)
async def die_after_a_decision(story: Story, who: str, nth: int, *, after: bool) -> None:
    """Kill the bot after an approval is stored, before the card shows it."""
    story.world.next_faults({"hold_at": "running"})
    if await request(story, who, "requests") is None:
        return
    await story.world.until(lambda: open_cards(story), 8)
    await asyncio.sleep(1)
    cards = open_cards(story)
    if not cards:
        raise Skip("there is no review card")
    await kill_at_commit(story, nth, after=after, back=1.0)
    await story.answer(await story.press("mona", cards[-1], "Approve"))
    await asyncio.sleep(60)
