"""Actions: late successes after the bot's verdict, and cancellations at the last moment."""

from __future__ import annotations

import asyncio
from typing import Any

from demo.fake_comfydeploy.runs import Run
from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import open_list, press_when_shown, request, started
from tests.simulation.people.moderators import open_cards, review_card
from tests.simulation.people.requests import MEMBERS, picture_file
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.deaths import kill_after_call
from tests.simulation.trouble.services import POST, jump

_ANSWER = "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
# Seconds, a little more than the deadline of runs, and than the grace time after a lost reply.
_DEADLINE, _GRACE = 125.0, 26.0
_DOUBTS: dict[str, tuple[dict[str, Any], float]] = {
    "deadline": ({"hold_at": "running", "success_after_cancel": True}, _DEADLINE),
    "uncancellable": ({"hold_at": "running", "cancel_supported": False}, _DEADLINE),
    "unconfirmed": ({"queue_drop": True, "webhook_drop": True, "hold_at": "running"}, _GRACE),
    "refused": ({"queue_status": 500, "queue_starts": 1, "webhook_drop": True, "hold_at": "running"}, 1.0),
}


def _change(run: Run, **changes: Any) -> None:
    run.own_faults = run.faults.model_copy(update=changes)


@action(
    "verdict",
    who=MEMBERS,
    where=("pictures", "pictures", "adult", "thread"),
    doubt=list(_DOUBTS),
    trouble=(None, "lost", "lost", "slow", "kill", "kill"),
    release=(0.0, 0.3, 0.8, 1.5, 4.0, 35.0, 35.0, 35.0),
    count=(1, 1, 1, 2),
    weight=4,
)
async def late_success(
    story: Story, who: str, where: str, *, doubt: str, trouble: str | None, release: float, count: int
) -> None:
    """Let a run succeed around the time when the bot's verdict about it is posted."""
    run_faults, wait = _DOUBTS[doubt]
    story.world.next_faults(run_faults)
    run = await started(story, await request(story, who, where, count=count))
    await asyncio.sleep(1.0)
    _trouble(story, trouble)
    if wait > _GRACE:
        jump(story, wait)
    else:
        await asyncio.sleep(wait)
    await asyncio.sleep(release)
    _change(run, webhook_drop=False)
    story.world.comfydeploy.release(run.id)
    await asyncio.sleep(6)


def _trouble(story: Story, what: str | None) -> None:
    discord = story.world.discord
    for route in (POST, _ANSWER):
        if what == "lost":
            discord.faults.add(route, Fault.lose_reply(), times=1)
        elif what == "slow":
            discord.faults.add(route, Fault.delay(2.0, after=True), times=1)
    if what == "kill":
        kill_after_call(story, POST, nth=1, back=3.0)
    if what is not None:
        story.strike(f"Discord: the next post: {what}")


@action(
    "verdict", who=MEMBERS, where=("pictures", "adult"), after=(0.0, 0.2, 1.0), away=(3.0, 15.0), weight=1.5
)
async def cancel_too_late(story: Story, who: str, where: str, after: float, away: float) -> None:
    """Press Cancel just after a run has succeeded, before the bot can learn that."""
    story.world.next_faults({"webhook_drop": True})
    asked = await request(story, who, where)
    run = await started(story, asked, status="success")
    _change(run, get_status=500)
    story.strike(f"GET /run fails for {away} s")
    await asyncio.sleep(after)
    await press_when_shown(story, who, asked, "Cancel", 1)
    await asyncio.sleep(away)
    _change(run, get_status=None)


@action("verdict", who=MEMBERS, pause=(1.5, 2.5), weight=1.5)
async def cancel_during_checks(story: Story, who: str, pause: float) -> None:
    """Approve a request whose file link has expired, and cancel it while the link is slowly renewed."""
    await review_card(story, who, image=picture_file(story))
    jump(story, 23.3 * 3600)
    await asyncio.sleep(2)
    card = open_cards(story)
    if not card:
        return
    story.world.discord.faults.add(
        "GET /channels/{channel_id}/messages/{message_id}", Fault.delay(7.0), times=2
    )
    story.strike("Discord: the next two messages are read slowly")
    await story.answer(await story.press("mona", card[-1], "Approve"))
    await asyncio.sleep(pause)
    listed = await open_list(story, who, "requests", "runs")
    cancels = [each for each in listed.custom_ids if ":cancel:" in each]
    if not cancels:
        raise Skip("/runs offers nothing to cancel")
    await story.answer(await story.press(who, listed, cancels[0]))
    await asyncio.sleep(8)
