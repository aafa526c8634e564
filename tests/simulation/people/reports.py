"""Actions: members report results; moderators decide while answers get lost or the bot is killed."""

from __future__ import annotations

import asyncio

from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import result
from tests.simulation.people.moderators import review_card, send_report
from tests.simulation.people.reach import labels_of, press_button
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.deaths import kill_at_commit
from tests.simulation.trouble.services import DEFER


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
    fault=("drop", "drop", "late", "none"),
    again=(None, 0.3, 3.0, 8.0),
    weight=5,
)
async def decision_without_answer(
    story: Story, who: str, moderator: str, label: str, fault: str, again: float | None
) -> None:
    """Decide about a request while the bot's answers don't reach Discord in time.

    Perhaps decide `again`, some seconds later, on a client that still shows the button.
    """
    card, faults = await review_card(story, who), story.world.discord.faults
    effect = Fault.delay(4.0) if fault == "late" else Fault.drop_before()
    rule = faults.add(DEFER, effect, times={"drop": 6, "late": 1, "none": 0}[fault])
    story.strike(f"Discord: the next answer: {fault}")
    pressed = await story.press(moderator, card, label)
    opened = await story.answer(pressed)
    await asyncio.sleep(3 if again is None else again)
    faults.remove(rule)
    if again is not None and pressed is not None:
        opened = await story.answer(await story.forge(moderator, card, str(pressed.data["custom_id"])))
    await story.submit(opened, {"reason": "no"})
    await asyncio.sleep(4)


@action("reports", who=MEMBERS, nth=(2, 3, 3), after=0.8, weight=3)
async def die_after_a_decision(story: Story, who: str, nth: int, *, after: bool) -> None:
    """Kill the bot after an approval is stored, before the card shows it."""
    story.world.next_faults({"hold_at": "running"})
    card = await review_card(story, who)
    await asyncio.sleep(1)
    await kill_at_commit(story, nth, after=after, back=1.0)
    await story.answer(await story.press("mona", card, "Approve"))
    await asyncio.sleep(60)
