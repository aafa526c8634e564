"""Actions at critical moments: between a claim and its post, a post and its reply, and after a lease."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

from tests.chaos.faults import ANSWER, POST
from tests.fakediscord.faults import Fault
from tests.simulation.engine.boundaries import STATEMENTS
from tests.simulation.engine.life import Life
from tests.simulation.engine.patches import TIME
from tests.simulation.people.asking import (
    MORE,
    held_run,
    outcome,
    press_when_shown,
    release_all,
    request,
    result,
    runs_of,
    started,
)
from tests.simulation.people.copying import copy_result
from tests.simulation.people.requests import MEMBERS
from tests.simulation.setup import open_panel
from tests.simulation.steps import Draw, Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.deaths import add_strike, error, is_commit, kill_life
from tests.simulation.trouble.places import set_mark, withdraw
from tests.simulation.trouble.services import faulty, jump, watch

_CLAIM, _EXTENSION = "UPDATE messages SET failures", "UPDATE requests SET lease_until"
# Seconds by which the result of a claim is delayed. The process would wait two seconds for it.
_LATE = 1.5
# Seconds, a little more than a lease, and that with the longest sleep of the worker that takes over.
_LEASE, _TAKEN_OVER = 62, 95.0
# Seconds after which Discord has forgotten a nonce, and after which discord.py no longer repeats a post.
_FORGOTTEN, _REPEATED = 400.0, 45.0


def _undisturbed(story: Story) -> None:
    """Raise Skip if earlier faults make an action's check unreliable."""
    if story.struck or story.discord.faults.rules or STATEMENTS.strike is not None:
        raise Skip("there was other trouble")


def _count_posts(story: Story, at_each: Callable[[], object] = lambda: None) -> list[Any]:
    """Return a list that gets an item for each post in #pictures; call `at_each` for each, too."""
    wanted, posts = str(story.world.channel("pictures").id), list[Any]()

    def count(parameters: Any) -> None:
        if str(parameters["channel_id"]) == wanted:
            posts.append(parameters)
            at_each()

    watch(story, POST, count)
    return posts


# Between a claim and its post.


async def _claimed(story: Story) -> Callable[[], bool]:
    """Delay the result of the next claim of a message; return whether it was claimed and isn't known yet.

    Raises Skip on PostgreSQL.
    """
    if story.world.is_postgres:
        raise Skip("statements that PostgreSQL has executed aren't held")
    claimed: list[float] = []
    delays = iter([_LATE])

    def strike(_: Life, sql: str, done: bool) -> None:
        if done and not claimed and sql.startswith(_CLAIM):
            claimed.append(TIME.monotonic)

    add_strike(strike)
    story.world.loop.executor_delay = lambda _life, _name: next(delays, 0.0) if claimed else 0.0
    return lambda: bool(claimed) and TIME.monotonic < claimed[0] + _LATE


@action("windows")
async def cancel_before_its_card(story: Story, draw: Draw) -> None:
    """Cancel a request whose review card is about to be posted."""
    _undisturbed(story)
    claimed = await _claimed(story)
    asked = await request(story, draw(who=MEMBERS), "requests")
    await story.world.until(claimed, 3)
    await press_when_shown(story, asked.who, asked, "Cancel", 2)
    at, is_early = TIME.monotonic, claimed()
    story.strike(f"request {asked.number} is cancelled before its card is posted")
    await asyncio.sleep(10)
    for card in story.world.channel("cards").messages.values():
        if card.created > at and is_early:
            story.surprise("no review card is posted for a cancelled request", f"{card.id}")


@action("windows")
async def unmark_gallery_during_share(story: Story, draw: Draw) -> None:
    """Share an age-restricted result in a gallery whose restriction is lifted before the copy is posted."""
    _undisturbed(story)
    set_mark(story, "gallery", nsfw=True)
    asked, _ = await result(story, draw(who=MEMBERS), "adult")
    await asyncio.sleep(4)
    claimed = await _claimed(story)
    sharing = asyncio.create_task(copy_result(story, asked.number, "Share"))
    if await story.world.until(claimed, 10):
        await asyncio.sleep(0.3)
        set_mark(story, "gallery", nsfw=False)
    at = TIME.monotonic
    await sharing
    await asyncio.sleep(5)
    shown = story.world.channel("gallery").messages.values()
    if any(message.created > at and message.attachments for message in shown):
        story.surprise("age-restricted results stay in age-restricted channels", f"request {asked.number}")


# Between a post and its reply.


@action("windows")
async def files_fail_elsewhere(story: Story, draw: Draw) -> None:
    """Let a channel refuse a result, whose files can't be fetched at first for the next place."""
    _undisturbed(story)
    _, run = await held_run(story, draw(who=MEMBERS), "pictures")

    def let_files(body: str | None) -> None:
        run.own_faults = run.faults.model_copy(update={"body": body})

    posts = _count_posts(story, lambda: let_files("cut-off"))
    withdraw(story, "pictures")
    story.world.comfydeploy.release(run.id)
    await story.world.until(lambda: posts, 15)
    await asyncio.sleep(2)
    let_files(None)
    await asyncio.sleep(25)
    if len(posts) > 1:
        story.surprise("a place that refused a message isn't tried again", f"{len(posts)} posts")


@action("windows")
async def press_before_the_reply(story: Story, draw: Draw) -> None:
    """Press a button of a result whose post the bot can't confirm, because it can't read the channel."""
    _undisturbed(story)
    asked, run = await held_run(story, draw(who=MEMBERS), "pictures")
    story.discord.faults.add(POST, Fault.delay(60, after=True))
    story.world.comfydeploy.release(run.id)
    shown = await outcome(story, asked, 20)
    await story.answer(await story.press(asked.who, shown, MORE))
    withdraw(story, "pictures", "read_message_history")
    for process in story.world.running:
        kill_life(story, process.life, _REPEATED + 5, "before the reply to its post")
    await asyncio.sleep(_REPEATED)
    jump(story, _FORGOTTEN)
    await asyncio.sleep(40)


@action("windows")
async def die_after_a_refusal(story: Story, draw: Draw) -> None:
    """Kill the bot for more than two minutes after it edited the answer to say that a run was refused."""
    _undisturbed(story)
    world, posts = story.world, _count_posts(story)

    def told(_: Any) -> bool:
        if not any(call.status == 422 for call in world.comfydeploy.call_log.queue_calls):
            return False
        for process in world.running:
            world.loop.call_later(0.5, kill_life, story, process.life, 30.0, "after it told a refusal")
        return True

    story.discord.faults.add(f"PATCH {ANSWER}", Fault.delay(1.0, after=True), where=told)
    world.next_faults({"queue_status": 422})
    await request(story, draw(who=MEMBERS), "pictures")
    if await world.until(lambda: not world.running, 15):
        await asyncio.sleep(10)
        jump(story, 130)
    await asyncio.sleep(40)
    if posts:
        story.surprise("an attempt is finished in the place where it started", f"{len(posts)} posts")


# Leases, and several processes.


@action("leases", weight=2)
async def lease_runs_out(story: Story, draw: Draw) -> None:
    """Let a post outlive its lease, whose extension fails, while the bot may not start other posts there.

    Unless the token has expired, another process edits the outcome into the answer meanwhile.
    """
    _undisturbed(story)
    who, expires = draw(who=MEMBERS, expires=0.5)
    asked, run = await held_run(story, who, "pictures")
    world, channel = story.world, story.world.channel("pictures")
    extending: list[Life] = []
    held: list[Any] = []

    def strike(life: Life, sql: str, done: bool) -> None:
        if sql.startswith(_EXTENSION) and not held:
            extending[:] = [life]
        elif sql.startswith(_EXTENSION) and life in extending and not done and len(held) == 1:
            raise sqlite3.OperationalError("disk I/O error")

    def hold(parameters: Any) -> bool:
        held.append(parameters)
        return True

    asked.interaction.created_at -= 900 if expires else 0
    add_strike(strike)
    story.discord.faults.add(POST, Fault.delay(_TAKEN_OVER + 5), where=hold)
    world.comfydeploy.release(run.id)
    await world.until(lambda: held, 15)
    story.strike("no lease is extended: COMMIT fails")
    withdraw(story, "pictures")
    await asyncio.sleep(_TAKEN_OVER)
    story.discord.grant(channel, "send_messages")
    await asyncio.sleep(10)
    held.append(None)
    paths = [call.path for call in world.comfydeploy.call_log.answered if f"/{run.id}/" in call.path]
    downloads = [path for path in paths if path.startswith("/files/outputs/")]
    if len(world.layout) == 1 and len(downloads) > len({*downloads}):
        story.surprise("a message in progress isn't started a second time", f"{run.id} was downloaded twice")


@action("leases")
async def sleep_during_a_post(story: Story, draw: Draw) -> None:
    """Let the machine sleep for longer than a lease while Discord's rate limit delays a post."""
    who, jumps = draw(who=MEMBERS, jumps=(2, 3, 4))
    await started(story, await request(story, who, "pictures"))
    rule = story.discord.faults.add(POST, Fault.rate_limit(_LEASE * jumps + 20))
    await story.world.until(lambda: rule.used, 15)
    for _ in range(jumps if rule.used else 0):
        await asyncio.sleep(0.3)
        jump(story, _LEASE)
    story.discord.faults.remove(rule)
    await asyncio.sleep(20)


@action("leases", weight=2)
async def slow_channels(story: Story, draw: Draw) -> None:
    """Delay Discord's description of a channel, which a messenger without a gateway asks for."""
    who, seconds = draw(who=MEMBERS, seconds=(2.0, 4.0))
    with faulty(story, "GET /channels/{channel_id}", Fault.delay(seconds)):
        await started(story, await request(story, who, "adult", "restricted"))
        await asyncio.sleep(15)


# `seconds` is more than the 30 after which a worker that isn't woken looks for runs.
@action("leases", weight=2)
async def unconfirmed_requeue(story: Story, draw: Draw) -> None:
    """Let a process lose the database just after it requeued a run, which another process then starts."""
    who, seconds = draw(who=MEMBERS, seconds=(36.0, 40.0))
    world = story.world
    if not {"worker-1", "worker-2"} <= world.layout.keys():
        raise Skip("no other process starts runs")
    world.next_faults({"queue_status": 429})
    world.next_faults({"queue_delay": seconds + 6, "webhook_drop": True})
    lost: list[tuple[Life, float]] = []

    def strike(life: Life, sql: str, done: bool) -> None:
        calls = world.comfydeploy.call_log.queue_calls
        if not lost and calls and calls[-1].status == 429 and done and is_commit(sql):
            lost.append((life, TIME.monotonic + seconds))
            story.strike(f"{life.name}: COMMIT fails, and the database is away for {seconds} s")
            raise error(story)
        if lost and life is lost[0][0] and not done and TIME.monotonic < lost[0][1]:
            raise error(story)

    add_strike(strike)
    await request(story, who, "pictures")
    await asyncio.sleep(seconds + 15)


@action("leases", weight=2)
async def turned_away_in_a_race(story: Story, draw: Draw) -> None:
    """End a run while several processes wait to start the next, and the first in the queue has no budget."""
    jump(story, 60)
    asked = await request(story, "alice", "pictures", count=2)
    await started(story, asked)
    await story.world.until(lambda: all(run.ended for run in runs_of(story, asked)), 15)
    await held_run(story, "bob", "pictures")
    await held_run(story, "bob", "pictures")
    await request(story, "alice", "pictures")
    for _ in range(draw(waiting=(2, 2, 3))):
        await request(story, "carol", "pictures")
    panel = await open_panel(story, "mona", "pictures")
    await panel.change("member", runs_a_day="2")
    release_all(story)
    await asyncio.sleep(15)
