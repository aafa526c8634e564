"""Actions at moments when the bot doesn't know yet what happened at Discord or ComfyDeploy."""

from __future__ import annotations

import asyncio
from typing import Any

from demo.fake_comfydeploy.runs import Output, Run
from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import held_run, outcome, press_when_shown, request, started
from tests.simulation.people.reach import press_button
from tests.simulation.people.requests import MEMBERS, picture_file, send_request
from tests.simulation.setup import open_panel
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.outages import away
from tests.simulation.trouble.services import DEFER, POST, jump

# Seconds, a little more than the deadline of runs.
_DEADLINE = 125.0


@action(
    "timing",
    who=MEMBERS,
    where=("pictures", "requests", "adult", "thread"),
    seconds=(0.5, 1.0, 2.5),
    after=(0.0, 0.0, 0.3),
    count=(1, 1, 2),
    weight=2,
)
async def cancel_before_the_reply(
    story: Story, who: str, where: str, *, seconds: float, after: float, count: int
) -> None:
    """Press Cancel when Discord shows the answer, but hasn't replied to the bot yet."""
    fault = Fault.delay(seconds, after=True)
    story.world.discord.faults.add(DEFER, fault, times=1)
    story.strike(f"Discord: the next callback's reply takes {seconds} s")
    asked = await request(story, who, where, count=count)
    await asyncio.sleep(after)
    await press_when_shown(story, who, asked, "Cancel", seconds)
    await asyncio.sleep(4)


@action(
    "timing",
    who=MEMBERS,
    where=("pictures", "adult", "thread"),
    deleter=(None, None, "mona", "mike"),
    gap=(-0.3, 0.0, 0.1, 3.0),
    weight=2,
)
async def delete_a_part(story: Story, who: str, where: str, deleter: str | None, gap: float) -> None:
    """Delete a partial result, posted at the run's deadline, shortly before or after the run succeeds."""
    asked, run = await held_run(story, who, where, faults={"cancel_supported": False})
    _make_part(story, run)
    await asyncio.sleep(1)
    jump(story, _DEADLINE)
    if await outcome(story, asked) is None:
        raise Skip("no part appeared")
    if gap < 0:
        story.world.comfydeploy.release(run.id)
        await asyncio.sleep(-gap)
    await story.answer(await press_button(story, asked.number, deleter, "Delete", 1))
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


@action(
    "timing",
    who=MEMBERS,
    where=("pictures", "pictures", "adult", "thread"),
    ends_as=("failed", "failed", "timeout", "cancelled"),
    minutes=(1, 15, 60, 1600),
    jumps=(8, 12),
    weight=2,
)
async def fail_before_an_outage(
    story: Story, who: str, where: str, *, ends_as: str, minutes: float, jumps: int
) -> None:
    """Let a run fail with one picture, which the bot can't learn before an outage of ComfyDeploy."""
    story.world.next_faults({"ends_as": ends_as, "made": 1, "outputs_missing": True, "get_status": 500})
    run = await started(story, await request(story, who, where), status=ends_as)
    await asyncio.sleep(0.5)
    with away(story, "ComfyDeploy"):
        run.own_faults = run.faults.model_copy(update={"get_status": None})
        for _ in range(jumps):
            jump(story, minutes * 60 / jumps)
            await asyncio.sleep(1.5)
    await asyncio.sleep(3)


@action(
    "timing",
    who=MEMBERS,
    where=("pictures", "adult", "thread"),
    status=(403, 404, 409, 422, 500, 429, 429),
    heard=(0.0, 0.0, 3.0),
    count=(1, 1, 2),
    weight=2,
)
async def start_after_a_refusal(
    story: Story, who: str, where: str, *, status: int, heard: float, count: int
) -> None:
    """Let ComfyDeploy refuse a queue call but start the run, whose webhooks may come later."""
    faults: dict[str, Any] = {"queue_status": status, "queue_starts": 1, "webhook_drop": heard > 0}
    if status == 429:
        # The webhook comes before the 429, which means that nothing was started.
        faults |= {"webhook_before_reply": True, "webhook_drop": False, "undocumented": True}
        faults |= {"hold_at": "queued"}
    story.world.next_faults(faults)
    run = await started(story, await request(story, who, where, count=count))
    if heard:
        # The last webhooks arrive, because the run is held until then.
        run.own_faults = run.faults.model_copy(update={"webhook_drop": False, "hold_at": "running"})
    if heard or status == 429:
        await asyncio.sleep(heard or 15)
        story.world.comfydeploy.release(run.id)
    await asyncio.sleep(6)


@action(
    "timing",
    who=MEMBERS,
    where=("pictures", "adult", "requests"),
    posts=(1, 1, 1, 2),
    deployment=("picture", "picture", "several"),
    weight=2,
)
async def close_after_a_post(story: Story, who: str, where: str, posts: int, deployment: str) -> None:
    """Close a request's channel so that its result is sent as DMs, which the person soon refuses."""
    world = story.world
    asked, run = await held_run(story, who, where, deployment)
    if world.channel(where).deleted:
        raise Skip(f"#{where} is gone")
    asked.interaction.created_at -= 900
    world.discord.withdraw(world.channel(where), "send_messages")
    story.strike(f"the bot loses send_messages in #{where}, and the token of request {asked.number} expires")
    dm, left = world.discord.dm(world.person(who)), [posts]

    def watch(params: dict[str, Any]) -> bool:
        if str(params.get("channel_id")) != str(dm.id):
            return False
        left[0] -= 1
        if left[0] < 0:
            world.person(who).accepts_dms = False
        return False

    world.discord.faults.add(POST, Fault.drop_before(), times=None, where=watch)
    story.strike(f"{who} will accept only {posts} more direct messages")
    world.comfydeploy.release(run.id)
    await asyncio.sleep(8)


@action("timing", who=MEMBERS, seconds=(1.5, 2.5), weight=2)
async def approval_begins(story: Story, who: str, seconds: float) -> None:
    """Require approval between the check of a request and its acceptance."""
    panel = await open_panel(story, "mona", "pictures")
    story.world.discord.faults.add(DEFER, Fault.delay(seconds), times=1)
    asked = await send_request(story, who, "pictures", "picture")
    await asyncio.sleep(0.3)
    await panel.change("approval", mode=["everybody"])
    if asked is not None:
        await story.answer(asked.interaction)
    await asyncio.sleep(3)


@action("timing", who=MEMBERS, silent=0.7, weight=2)
async def run_too_long(story: Story, who: str, *, silent: bool) -> None:
    """Let a run exceed its deadline, usually without webhooks."""
    story.world.next_faults({"hold_at": "running"} | ({"webhook_drop": True} if silent else {}))
    await started(story, await request(story, who, "pictures"), status="running")
    await asyncio.sleep(170)


@action("timing", who=MEMBERS, ends_as=(None, "failed", "failed", "timeout"), count=(1, 1, 2), weight=2)
async def end_without_outputs(story: Story, who: str, ends_as: str | None, count: int) -> None:
    """Omit the outputs from a run's last webhook."""
    faults: dict[str, Any] = {"outputs_missing": True}
    story.world.next_faults(faults | ({"ends_as": ends_as, "made": 1} if ends_as else {}))
    await outcome(story, await request(story, who, "pictures", count=count))
    await asyncio.sleep(8)


@action("timing", who=MEMBERS, seconds=(9.0, 14.0), weight=2)
async def hear_only_of_the_end(story: Story, who: str, seconds: float) -> None:
    """Drop all webhooks of a run but the last."""
    _, run = await held_run(story, who, "pictures", faults={"webhook_drop": True})
    await asyncio.sleep(seconds)
    run.own_faults = run.faults.model_copy(update={"webhook_drop": False})
    story.world.comfydeploy.release(run.id)
    await asyncio.sleep(12)
