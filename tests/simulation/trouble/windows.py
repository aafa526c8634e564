"""Actions at a critical moment: between a claim and its post, or between a post and its reply."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

from tests.fakediscord.faults import Fault
from tests.simulation.engine.boundaries import STATEMENTS
from tests.simulation.engine.life import Life
from tests.simulation.engine.patches import TIME
from tests.simulation.people.asking import held_run, outcome, press_when_shown, request, result
from tests.simulation.people.copying import copy_result, set_mark
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.database import add_strike
from tests.simulation.trouble.deaths import kill_life
from tests.simulation.trouble.services import ANSWER, POST, jump

_CLAIM, _EXTENSION = "UPDATE messages SET failures", "UPDATE requests SET lease_until"
# Seconds by which the result of a claim is delayed. The process would wait two seconds for it.
_LATE = 1.5
# Seconds of a lease, and of the longest sleep of the worker that takes over.
_TAKEN_OVER = 95.0
# Seconds after which Discord has forgotten a nonce, and after which discord.py no longer repeats a post.
_FORGOTTEN, _REPEATED = 400.0, 45.0


def _undisturbed(story: Story) -> None:
    """Raise Skip if earlier faults make an action's check unreliable."""
    if story.struck or story.world.discord.faults.rules or STATEMENTS.strike is not None:
        raise Skip("there was other trouble")


def _hold_claim(story: Story) -> list[float]:
    """Delay the result of the next claim of a message; return a list that will have its time.

    Raises Skip on PostgreSQL.
    """
    if story.world.is_postgres:
        raise Skip("statements that PostgreSQL has executed aren't held")
    claimed: list[float] = []
    delays = [_LATE]

    def strike(_: Life, sql: str, done: bool) -> None:
        if done and not claimed and sql.startswith(_CLAIM):
            claimed.append(TIME.monotonic)

    add_strike(strike)
    story.world.loop.executor_delay = lambda _life, _name: delays.pop() if claimed and delays else 0.0
    return claimed


def _count_posts(story: Story, at_each: Callable[[], object] = lambda: None) -> list[None]:
    """Return a list that gets an item for each post in #pictures; call `at_each` for each, too."""
    wanted, posts = str(story.world.channel("pictures").id), list[None]()

    def watch(params: Any) -> bool:
        if str(params["channel_id"]) == wanted:
            posts.append(None)
            at_each()
        return False

    story.world.discord.faults.add(POST, Fault.drop_before(), times=None, where=watch)
    return posts


@action("leases", who=MEMBERS, expires=(True, False), weight=2)
async def lease_runs_out(story: Story, who: str, *, expires: bool) -> None:
    """Let a post outlive its lease, whose extension fails, while the bot may not start other posts there.

    Unless the token has expired, another process edits the outcome into the answer meanwhile.
    """
    _undisturbed(story)
    asked, run = await held_run(story, who, "pictures")
    world, channel = story.world, story.world.channel("pictures")
    last: list[Life] = []
    held: list[Any] = []

    def strike(life: Life, sql: str, done: bool) -> None:
        if sql.startswith(_EXTENSION) and not held:
            last[:] = [life]
        elif sql.startswith(_EXTENSION) and life in last and not done and len(held) == 1:
            raise sqlite3.OperationalError("disk I/O error")

    def watch(params: Any) -> bool:
        held.append(params)
        return True

    asked.interaction.created_at -= 900 if expires else 0
    add_strike(strike)
    world.discord.faults.add(POST, Fault.delay(_TAKEN_OVER + 5), times=1, where=watch)
    world.comfydeploy.release(run.id)
    await world.until(lambda: held, 15)
    story.strike("no lease is extended: COMMIT fails; the bot loses send_messages in #pictures")
    world.discord.withdraw(channel, "send_messages")
    await asyncio.sleep(_TAKEN_OVER)
    world.discord.grant(channel, "send_messages")
    await asyncio.sleep(10)
    held.append(None)
    downloads = [call for call in world.comfydeploy.call_log.answered if f"/{run.id}/" in call.path]
    downloads = [call for call in downloads if call.path.startswith("/files/outputs/")]
    if len(world.layout) == 1 and len(downloads) > len({call.path for call in downloads}):
        story.surprise("a message in progress isn't started a second time", f"{run.id} was downloaded twice")


@action("windows", who=MEMBERS)
async def files_fail_elsewhere(story: Story, who: str) -> None:
    """Let a channel refuse a result, whose files can't be fetched at first for the next place."""
    _undisturbed(story)
    _, run = await held_run(story, who, "pictures")

    def let_files(body: str | None) -> None:
        run.own_faults = run.faults.model_copy(update={"body": body})

    posts = _count_posts(story, lambda: let_files("cut-off"))
    story.world.discord.withdraw(story.world.channel("pictures"), "send_messages")
    story.strike("the channel is closed, and then files can't be fetched")
    story.world.comfydeploy.release(run.id)
    await story.world.until(lambda: posts, 15)
    await asyncio.sleep(2)
    let_files(None)
    await asyncio.sleep(25)
    if len(posts) > 1:
        story.surprise("a place that refused a message isn't tried again", f"{len(posts)} posts")


@action("windows", who=MEMBERS)
async def cancel_before_its_card(story: Story, who: str) -> None:
    """Cancel a request whose review card is about to be posted."""
    _undisturbed(story)
    claimed = _hold_claim(story)
    asked = await request(story, who, "requests")
    await story.world.until(lambda: claimed, 3)
    if not claimed or not await press_when_shown(story, who, asked, "Cancel", 2):
        raise Skip("nothing could be cancelled")
    at = TIME.monotonic
    story.strike(f"request {asked.number} is cancelled before its card is posted")
    await asyncio.sleep(10)
    for card in story.world.channel("cards").messages.values():
        if card.created > at and claimed[0] < at < claimed[0] + _LATE:
            story.surprise("no review card is posted for a cancelled request", f"{card.id}")


@action("windows", who=MEMBERS)
async def unmark_gallery_during_share(story: Story, who: str) -> None:
    """Share an age-restricted result in a gallery whose restriction is lifted before the copy is posted."""
    _undisturbed(story)
    gallery = story.world.channel("gallery")
    set_mark(story, gallery, nsfw=True)
    asked, _ = await result(story, who, "adult")
    await asyncio.sleep(4)
    claimed = _hold_claim(story)
    sharing = asyncio.create_task(copy_result(story, asked.number, "Share", 2, prompt=False))
    if await story.world.until(lambda: claimed, 10):
        await asyncio.sleep(0.3)
        set_mark(story, gallery, nsfw=False)
    at = TIME.monotonic
    await sharing
    await asyncio.sleep(5)
    if any(message.created > at and message.attachments for message in gallery.messages.values()):
        story.surprise("age-restricted results stay in age-restricted channels", f"request {asked.number}")


@action("windows", who=MEMBERS)
async def press_before_the_reply(story: Story, who: str) -> None:
    """Press a button of a result whose post the bot can't confirm, because it can't read the channel."""
    _undisturbed(story)
    asked, run = await held_run(story, who, "pictures")
    world = story.world
    world.discord.faults.add(POST, Fault.delay(60, after=True), times=1)
    world.comfydeploy.release(run.id)
    shown = await outcome(story, asked, 20)
    if shown is None or await story.answer(await story.press(who, shown, "⋯ More")) is None:
        raise Skip("nothing could be pressed")
    world.discord.withdraw(world.channel("pictures"), "read_message_history")
    story.strike("the bot can't read #pictures any more")
    for process in world.running:
        kill_life(story, process.life, _REPEATED + 5, "before the reply to its post")
    await asyncio.sleep(_REPEATED)
    jump(story, _FORGOTTEN)
    await asyncio.sleep(40)


@action("windows", who=MEMBERS)
async def die_after_a_refusal(story: Story, who: str) -> None:
    """Kill the bot for more than two minutes after it edited the answer to say that a run was refused."""
    _undisturbed(story)
    world, posts = story.world, _count_posts(story)

    def watch(_: Any) -> bool:
        if not any(call.status == 422 for call in world.comfydeploy.call_log.queue_calls):
            return False
        for process in world.running:
            world.loop.call_later(0.5, kill_life, story, process.life, 30.0, "after it told a refusal")
        return True

    world.discord.faults.add(f"PATCH {ANSWER}", Fault.delay(1.0, after=True), times=1, where=watch)
    world.next_faults({"queue_status": 422})
    await request(story, who, "pictures")
    if await world.until(lambda: not world.running, 15):
        await asyncio.sleep(10)
        jump(story, 130)
    await asyncio.sleep(40)
    if posts:
        story.surprise("an attempt is finished in the place where it started", f"{len(posts)} posts")
