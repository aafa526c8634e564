"""Actions at moments when the bot doesn't know yet what happened at Discord or ComfyDeploy."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from demo.fake_comfydeploy.runs import Output, Run
from tests.chaos.faults import ANSWER, DEFER, POST
from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import (
    held_run,
    open_list,
    outcome,
    press_and_wait,
    press_when_shown,
    request,
    started,
)
from tests.simulation.people.moderators import open_cards, review_card
from tests.simulation.people.requests import MEMBERS, picture_file, send
from tests.simulation.setup import open_panel
from tests.simulation.steps import Draw, action
from tests.simulation.story import Story
from tests.simulation.trouble.deaths import kill_after_call
from tests.simulation.trouble.places import expire_token, withdraw
from tests.simulation.trouble.services import jump, watch

_PLACES = ("pictures", "pictures", "adult", "thread")
# Seconds, a little more than the deadline of runs, and than the grace time after a lost reply.
_DEADLINE, _GRACE = 125.0, 26.0


class Doubt(NamedTuple):
    """What keeps the bot from learning how a run ended: its faults, and the seconds until it is released.

    The clocks jump over them if `jumps`. The last webhooks arrive afterwards.
    """

    faults: dict[str, Any]
    seconds: float = 0.0
    jumps: bool = False


_RUNNING = {"hold_at": "running"}
_SILENT = {**_RUNNING, "webhook_drop": True}
# With the webhook before it, a 429 means that nothing was started.
_BUSY = {"queue_status": 429, "webhook_before_reply": True, "undocumented": True, "hold_at": "queued"}
_DOUBTS = {
    "succeeds after the deadline": Doubt({**_RUNNING, "success_after_cancel": True}, _DEADLINE, jumps=True),
    "can't be cancelled": Doubt({**_RUNNING, "cancel_supported": False}, _DEADLINE, jumps=True),
    "too long": Doubt(_RUNNING, 170),
    "too long and silent": Doubt(_SILENT, 170),
    "reply lost": Doubt({**_SILENT, "queue_drop": True}, _GRACE),
    "only the end is heard": Doubt(_SILENT, 12),
    "refused but started": Doubt({**_SILENT, "queue_status": 500, "queue_starts": 1}, 1),
    "forbidden but started": Doubt({**_SILENT, "queue_status": 403, "queue_starts": 1}, 3),
    "not found but started": Doubt({"queue_status": 404, "queue_starts": 1}),
    "conflict but started": Doubt({"queue_status": 409, "queue_starts": 1}),
    "invalid but started": Doubt({**_SILENT, "queue_status": 422, "queue_starts": 1}, 3),
    "busy but started": Doubt({**_BUSY, "queue_starts": 1}, 15),
    "no outputs told": Doubt({"outputs_missing": True}),
    "no outputs of a failure told": Doubt({"outputs_missing": True, "ends_as": "failed", "made": 1}),
    "no outputs of a timeout told": Doubt({"outputs_missing": True, "ends_as": "timeout", "made": 1}),
}


@action("learning", weight=14)
async def learn_late(story: Story, draw: Draw) -> None:
    """Let the bot learn late how a run ended, perhaps around the time when its verdict is posted."""
    who, where, count = draw(who=MEMBERS, where=(*_PLACES, "requests"), count=(1, 1, 1, 2))
    doubt = _DOUBTS[draw(doubt=list(_DOUBTS))]
    trouble = draw(trouble=(*[None] * 6, "lost", "lost", "slow", "kill", "kill"))
    release = draw(release=(0.0, 0.0, 0.3, 0.8, 1.5, 4.0, 35.0, 35.0))
    story.world.next_faults(doubt.faults)
    run = await started(story, await request(story, who, where, count=count))
    await asyncio.sleep(1.0)
    if trouble is not None:
        _trouble(story, trouble)
    if doubt.jumps:
        jump(story, doubt.seconds)
    else:
        await asyncio.sleep(doubt.seconds)
    await asyncio.sleep(release)
    _change(run, webhook_drop=False)
    story.world.comfydeploy.release(run.id)
    await asyncio.sleep(8)


def _trouble(story: Story, what: str) -> None:
    for route in (POST, f"PATCH {ANSWER}"):
        if what != "kill":
            fault = Fault.lose_reply() if what == "lost" else Fault.delay(2.0, after=True)
            story.discord.faults.add(route, fault)
    if what == "kill":
        kill_after_call(story, POST, nth=1, back=3.0)
    story.strike(f"Discord: the next post: {what}")


def _change(run: Run, **changes: Any) -> None:
    run.own_faults = run.faults.model_copy(update=changes)


# Cancellations.


@action("learning", weight=2)
async def cancel_before_the_reply(story: Story, draw: Draw) -> None:
    """Press Cancel when Discord shows the answer, but hasn't replied to the bot yet."""
    who, where, count = draw(who=MEMBERS, where=(*_PLACES, "requests"), count=(1, 1, 2))
    seconds, after = draw(seconds=(0.5, 1.0, 2.5), after=(0.0, 0.0, 0.3))
    story.discord.faults.add(DEFER, Fault.delay(seconds, after=True))
    story.strike(f"Discord: the next callback's reply takes {seconds} s")
    asked = await request(story, who, where, count=count)
    await asyncio.sleep(after)
    await press_when_shown(story, who, asked, "Cancel", seconds)
    await asyncio.sleep(4)


@action("learning", weight=1.5)
async def cancel_too_late(story: Story, draw: Draw) -> None:
    """Press Cancel just after a run has succeeded, before the bot can learn that."""
    who, where, after, unread = draw(
        who=MEMBERS, where=("pictures", "adult"), after=(0.0, 0.2, 1.0), unread=(3.0, 15.0)
    )
    story.world.next_faults({"webhook_drop": True})
    asked = await request(story, who, where)
    run = await started(story, asked, status="success")
    _change(run, get_status=500)
    story.strike(f"GET /run fails for {unread} s")
    await asyncio.sleep(after)
    await press_when_shown(story, who, asked, "Cancel", 1)
    await asyncio.sleep(unread)
    _change(run, get_status=None)


@action("learning", weight=1.5)
async def cancel_during_checks(story: Story, draw: Draw) -> None:
    """Approve a request whose file link has expired, and cancel it while the link is slowly renewed."""
    who, pause = draw(who=MEMBERS, pause=(1.5, 2.5))
    await review_card(story, who, image=True)
    jump(story, 23.3 * 3600)
    await asyncio.sleep(2)
    story.discord.faults.add("GET /channels/{channel_id}/messages/{message_id}", Fault.delay(7.0), times=2)
    story.strike("Discord: the next two messages are read slowly")
    for card in open_cards(story)[-1:]:
        await story.answer(await story.press("mona", card, "Approve"))
    await asyncio.sleep(pause)
    listed = await open_list(story, who, "requests", "runs")
    for cancel in [each for each in listed.custom_ids if ":cancel:" in each][:1]:
        await story.answer(await story.press(who, listed, cancel))
    await asyncio.sleep(8)


# Other moments.


@action("learning", weight=2)
async def delete_a_part(story: Story, draw: Draw) -> None:
    """Delete a partial result, posted at the run's deadline, shortly before or after the run succeeds."""
    who, where = draw(who=MEMBERS, where=_PLACES)
    deleter, gap = draw(deleter=(None, None, "mona", "mike"), gap=(-0.3, 0.0, 0.1, 3.0))
    asked, run = await held_run(story, who, where, faults={"cancel_supported": False})
    _make_part(story, run)
    await asyncio.sleep(1)
    jump(story, _DEADLINE)
    await outcome(story, asked)
    if gap < 0:
        story.world.comfydeploy.release(run.id)
        await asyncio.sleep(-gap)
    await press_and_wait(story, asked.number, deleter, "Delete", 1)
    if gap >= 0:
        await asyncio.sleep(gap)
        story.world.comfydeploy.release(run.id)
    await asyncio.sleep(6)


def _make_part(story: Story, run: Run) -> None:
    """Add a picture to a held run, which only GET /run reports."""
    world = story.world.comfydeploy.world
    path = f"outputs/runs/{run.id}/part.png"
    world.bucket.put(path, picture_file(story).data or b"", "image/png")
    item = {"url": path, "type": "output", "filename": "part.png"}
    run.outputs.append(Output(data={"images": [item]}, node_meta={"node_id": "9"}, created_at=world.now()))


@action("learning", weight=2)
async def close_after_a_post(story: Story, draw: Draw) -> None:
    """Close a request's channel so that its result is sent as DMs, which the person soon refuses."""
    who, where, posts = draw(who=MEMBERS, where=("pictures", "adult", "requests"), posts=(1, 1, 1, 2))
    asked, run = await held_run(story, who, where, draw(deployment=("picture", "picture", "several")))
    expire_token(story, asked)
    withdraw(story, where)
    person = story.world.person(who)
    dm, sent = str(story.discord.dm(person).id), list[Any]()

    def count(parameters: dict[str, Any]) -> None:
        sent.extend([parameters] if str(parameters["channel_id"]) == dm else [])
        person.accepts_dms &= len(sent) <= posts

    watch(story, POST, count)
    story.strike(f"{who} will accept only {posts} more direct messages")
    story.world.comfydeploy.release(run.id)
    await asyncio.sleep(8)


@action("learning", weight=2)
async def approval_begins(story: Story, draw: Draw) -> None:
    """Require approval between the check of a request and its acceptance."""
    panel = await open_panel(story, "mona", "pictures")
    story.discord.faults.add(DEFER, Fault.delay(draw(seconds=(1.5, 2.5))))
    asked = await send(story, draw(who=MEMBERS), "pictures")
    await asyncio.sleep(0.3)
    await panel.change("approval", mode=["everybody"])
    await story.answer(asked.interaction)
    await asyncio.sleep(3)
