"""Actions: faults and kills while an outcome is downloaded, posted, or its status message removed."""

from __future__ import annotations

import asyncio

from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import outcome, request, started
from tests.simulation.people.copying import set_mark
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.deaths import kill_at_call
from tests.simulation.trouble.services import ANSWER, DEFER, MESSAGE, POST, jump

# Seconds for which discord.py may repeat a post with its nonce, and after which Discord forgets a nonce. In a
# jump, the fake Discord keeps nonces that may still be repeated.
_NONCES_IN_USE = 45.0
_NONCES_FORGOTTEN = 400.0
# Seconds: longer than a slow download may take, and too short for a picture at one byte per second.
_DRIPPING = 60.0
# Seconds for which discord.py repeats an answer.
_ANSWERS_END = 30.0


@action(
    "delivery",
    who=MEMBERS,
    where=("pictures", "adult", "thread"),
    deployment=("picture", "several", "text"),
    back=(0.1, 1.0, 5.0),
)
async def kill_at_cleanup(story: Story, who: str, where: str, deployment: str, back: float) -> None:
    """Kill the bot after it has posted an outcome, when it is about to delete the status message."""
    kill_at_call(story, f"DELETE {ANSWER}", 1, done=False, back=back)
    await outcome(story, await request(story, who, where, deployment), files=False)
    await asyncio.sleep(back + 5)


# Four runs make more pictures than fit into one message.
@action(
    "delivery",
    who=MEMBERS,
    where=("pictures", "adult", "thread"),
    count=(1, 2, 4),
    nth=(1, 2),
    forgotten=0.8,
    weight=2,
)
async def kill_after_a_post(
    story: Story, who: str, where: str, count: int, nth: int, *, forgotten: bool
) -> None:
    """Kill the bot after a post whose id it hasn't stored, perhaps until Discord has forgotten the nonce."""
    kill_at_call(story, POST, nth if count == 4 else 1, done=True, back=_NONCES_IN_USE + 10)
    await request(story, who, where, "several" if count > 1 else "picture", count=count)
    killed = await story.world.until(lambda: not story.world.running, 20)
    if not killed:
        raise Skip("no post began")
    await asyncio.sleep(_NONCES_IN_USE)
    if forgotten:
        jump(story, _NONCES_FORGOTTEN)
    await asyncio.sleep(15)


@action("delivery", who=MEMBERS, deployment=("picture", "several"), body=("slow", "private-redirect"))
async def files_misbehave(story: Story, who: str, deployment: str, body: str) -> None:
    """Let a run's files arrive at one byte per second, or lead to a private address."""
    story.world.next_faults({"body": body})
    story.strike(f"the files of the next run: {body}")
    await started(story, await request(story, who, "pictures", deployment))
    await asyncio.sleep(_DRIPPING)


@action("ages", who=MEMBERS, back=(0.1, 1.0, 5.0), weight=2)
async def unmark_between_parts(story: Story, who: str, back: float) -> None:
    """Lift a channel's age restriction between two messages of a result, and kill the bot at the cleanup."""
    kill_at_call(story, POST, 2, done=False, back=3)
    await request(story, who, "adult", "several", count=4)
    if not await story.world.until(lambda: not story.world.running, 20):
        raise Skip("no second part began")
    set_mark(story, story.world.channel("adult"), nsfw=False)
    kill_at_call(story, f"DELETE {MESSAGE}", 1, done=False, back=back)
    await asyncio.sleep(back + 15)


@action("delivery", who=MEMBERS, where=("pictures", "adult", "thread"), busy=(2, 4, 6))
async def answer_refused_after_start(story: Story, who: str, where: str, busy: int) -> None:
    """Execute an answer but reply 500, refuse its retries, and let ComfyDeploy be busy in between."""
    faults = story.world.discord.faults
    seen: list[str] = []

    def first(parameters: dict[str, str]) -> bool:
        seen.append(parameters["webhook_id"])
        return parameters["webhook_id"] == seen[0]

    # Wait for earlier answers.
    await asyncio.sleep(1)
    faults.add(DEFER, Fault.answer_after(500), times=1, where=first)
    faults.add(DEFER, Fault.answer(500), times=3, where=first)
    faults.add(DEFER, Fault.answer(404), times=1, where=first)
    story.strike("Discord shows the next answer with a 500, and refuses it at last")
    for _ in range(busy):
        story.world.next_faults({"queue_status": 429})
    await request(story, who, where)
    await asyncio.sleep(_ANSWERS_END)
