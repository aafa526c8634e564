"""Actions: faults and kills while a request is deferred and accepted, and while its outcome is posted."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.chaos.faults import ANSWER, DEFER, MESSAGE, POST
from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import labels_of, outcome, request
from tests.simulation.people.requests import MEMBERS, derived
from tests.simulation.steps import Draw, Skip, action
from tests.simulation.story import Ask, Story
from tests.simulation.trouble.deaths import database_leaves, kill_after_call, kill_at_call
from tests.simulation.trouble.places import set_mark
from tests.simulation.trouble.services import jump, leave, watch

_EDIT, _READ, _CLEAN_UP = f"PATCH {ANSWER}", f"GET {ANSWER}", f"DELETE {ANSWER}"
_FAULTS = {
    "refused": Fault.answer(404),
    "acknowledged": Fault.answer_after(500),  # discord.py repeats it, and Discord answers 40060
    "failed": Fault.answer(500),
    "reply lost": Fault.lose_reply(),
    "never arrived": Fault.drop_before(),
    "late": Fault.delay(3.5),
    "slow": Fault.delay(2.5, after=True),
}
_PLACES = ("pictures", "requests", "requests", "adult", "thread", "lounge")
# Seconds for which discord.py may repeat a post with its nonce, and after which Discord forgets a nonce. In a
# jump, the fake Discord keeps nonces that may still be repeated.
_NONCES_IN_USE = 45.0
_NONCES_FORGOTTEN = 400.0


# The deferral, the acceptance and the status message.


async def _earlier(story: Story, draw: Draw) -> Ask | None:
    """Perhaps send a request and wait for its result, so that a button can repeat it."""
    who, where, again = draw(who=MEMBERS, where=_PLACES, again=0.4)
    asked = await request(story, who, where) if again else None
    await asyncio.sleep(8 if again else 0)
    return asked


async def _ask(story: Story, draw: Draw, earlier: Ask | None) -> Ask:
    """Send a request, or repeat an earlier one by its button, which is deferred differently."""
    if earlier is None:
        return await request(story, *draw(who=MEMBERS, where=_PLACES))
    message = await outcome(story, earlier)
    if "Again" not in labels_of(message):
        raise Skip("no result to repeat")
    return derived(story, earlier, await story.press(earlier.who, message, "Again"), "again")


@action("deferral", weight=2)
async def deferral_fails(story: Story, draw: Draw) -> None:
    """Let a deferral or the edit of its answer fail, and perhaps also the GET that checks the answer."""
    earlier = await _earlier(story, draw)
    route, times, unread = draw(route=(DEFER, _EDIT), times=(1, 5, 5), unread=(0, 0, 1, 5))
    fault = draw(fault=(*_FAULTS, "failed", "never arrived"))
    # Discord never answers 404 for a message that exists.
    fault = "failed" if (route, fault) == (_EDIT, "refused") else fault
    story.discord.faults.add(route, _FAULTS[fault], times=times)
    if unread:
        story.discord.faults.add(_READ, Fault.answer(503), times=unread)
    story.strike(f"Discord: the next {times} of {route}: {fault}; {unread} of {_READ}: 503")
    asked = await _ask(story, draw, earlier)
    # discord.py repeats a call for half a minute.
    await asyncio.sleep(20 if route == DEFER else 60)
    shown = asked.interaction.original
    thinks = shown is not None and shown.loading and shown.deleted_at is None
    if route == _EDIT and thinks and not story.discord.faults.rules:
        story.surprises.append(f"an answer is shown once Discord has recovered: request {asked.number}")


# A kill before the first COMMIT, after the deferral, leads to a known gap.
@action("deferral", weight=2)
async def killed_while_accepting(story: Story, draw: Draw) -> None:
    """Kill the bot at the deferral, before or after the acceptance, or at the edit of the answer."""
    earlier = await _earlier(story, draw)
    at, nth, done = draw(at=(DEFER, _EDIT, "commit", "commit"), nth=(1, 2, 2, 2), done=0.2)
    back = draw(back=(0.1, 2.0, 20.0, 1000.0))
    if at == "commit":
        kill_after_call(story, DEFER, nth=nth, back=back)
    else:
        kill_at_call(story, at, 1, done=done, back=back)
    await _ask(story, draw, earlier)
    await asyncio.sleep(min(back, 30) + 10)


@action("deferral")
async def database_leaves_after_deferral(story: Story, draw: Draw) -> None:
    """Let the database, and perhaps Discord, fail from a deferral on."""
    earlier = await _earlier(story, draw)
    seconds, discord = draw(seconds=(2, 30, 1000), discord=0.3)

    def deferred(_: Any) -> None:
        story.discord.faults.remove(rule)
        database_leaves(story, seconds)
        if discord:
            story.world.loop.call_later(0, leave, story, "Discord", seconds)

    rule = watch(story, DEFER, deferred)
    await _ask(story, draw, earlier)
    await asyncio.sleep(30)


# The outcome.


@action("delivery")
async def kill_at_cleanup(story: Story, draw: Draw) -> None:
    """Kill the bot after it has posted an outcome, when it is about to delete the status message."""
    who, where, back = draw(who=MEMBERS, where=("pictures", "adult", "thread"), back=(0.1, 1.0, 5.0))
    kill_at_call(story, _CLEAN_UP, 1, done=False, back=back)
    asked = await request(story, who, where, draw(deployment=("picture", "several", "text")))
    await outcome(story, asked, files=False)
    await asyncio.sleep(back + 5)


@action("delivery", weight=2)
async def kill_after_a_post(story: Story, draw: Draw) -> None:
    """Kill the bot after a post whose id it hasn't stored, perhaps until Discord has forgotten the nonce.

    Four runs make more pictures than fit into one message.
    """
    who, where, count = draw(who=MEMBERS, where=("pictures", "adult", "thread"), count=(1, 2, 4))
    nth, forgotten = draw(nth=(1, 2), forgotten=0.8)
    kill_at_call(story, POST, nth if count == 4 else 1, done=True, back=_NONCES_IN_USE + 10)
    await request(story, who, where, "several" if count > 1 else "picture", count=count)
    await _killed(story)
    await asyncio.sleep(_NONCES_IN_USE)
    if forgotten:
        jump(story, _NONCES_FORGOTTEN)
    await asyncio.sleep(15)


async def _killed(story: Story) -> None:
    if not await story.world.until(lambda: not story.world.running, 20):
        raise Skip("no post began")


@action("ages", weight=2)
async def unmark_between_parts(story: Story, draw: Draw) -> None:
    """Lift a channel's age restriction between two messages of a result, and kill the bot at the cleanup."""
    who, back = draw(who=MEMBERS, back=(0.1, 1.0, 5.0))
    kill_at_call(story, POST, 2, done=False, back=3)
    await request(story, who, "adult", "several", count=4)
    await _killed(story)
    set_mark(story, "adult", nsfw=False)
    kill_at_call(story, f"DELETE {MESSAGE}", 1, done=False, back=back)
    await asyncio.sleep(back + 15)
