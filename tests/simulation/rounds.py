"""Play a round's steps in a fresh world, let everything end, and check the promises."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo.picture_check import Mood
from tests.fakediscord.world import text_of
from tests.simulation.engine.boundaries import STATEMENTS
from tests.simulation.engine.loop import Deadlock
from tests.simulation.evidence import bodies, where
from tests.simulation.gaps import excuse
from tests.simulation.people import moderators, requests, settings
from tests.simulation.promises import broken_promises
from tests.simulation.setup import SINCE_PREPARATION, Database
from tests.simulation.steps import ACTIONS, Step, play
from tests.simulation.story import Story
from tests.simulation.trouble.services import jump
from tests.simulation.world import LAYOUTS, TWO_WORKERS, World, comfydeploy_now, new_world


@dataclass
class Result:
    """The result of a round."""

    seed: str
    steps: Sequence[Step]
    broken: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    requests: int = 0
    kills: int = 0
    faults: int = 0
    gaps: list[str] = field(default_factory=list)
    """The names of the known gaps in which requests ended."""
    seen: list[str] = field(default_factory=list)
    """All messages of the round."""


async def _play(world: World, steps: Sequence[Step], result: Result) -> None:
    story = Story(world)
    await world.open()
    world.loop.jump(SINCE_PREPARATION)
    try:
        await world.start()
        for step in steps:
            await asyncio.sleep(step.after)
            world.note("step", step.name)
            await play(story, step)
            world.note("played", str(step))
        await _rest(story)
        result.broken += story.surprises
        for broken in broken_promises(story):
            gap = excuse(story, broken)
            if gap is None:
                result.broken.append(str(broken))
            else:
                result.gaps.append(gap)
        await world.stop()
        await asyncio.sleep(0.2)
        result.broken += _left_behind(world)
    finally:
        result.requests, result.faults = len(story.asks), len(story.struck)
        result.kills = sum(process.code == -9 for process in world.processes)
        result.seen = _seen(story)
        await world.close()


# Jumps of the clocks, in seconds, after which every deadline, lease and pause is over, and an undecided
# review card has expired, which takes a day.
_JUMPS = (0, 30, 120, 300, 900, 3600, 7200, 7200, 90_000, 7200, 7200)
_BETWEEN_JUMPS = 5.0
_HELD_FOR = 150.0


async def _rest(story: Story) -> None:
    """Stop all faults, and give everything time to end."""
    world = story.world
    world.discord.faults.clear()
    world.comfydeploy.world.plan.away = False
    world.checker.mood = Mood.WELL
    STATEMENTS.strike = None
    world.loop.executor_delay = lambda _life, _name: 0.0
    world.note("trouble", "all faults stop")
    for seconds in _JUMPS:
        await world.until(lambda: not world.pending, 60)
        if seconds:
            jump(story, seconds)
        is_up = await _calm(story)
        await asyncio.sleep(_BETWEEN_JUMPS)
        if is_up and _settled(story):
            break
    await asyncio.sleep(2)
    await _read_lists(story)


async def _calm(story: Story) -> bool:
    """Start dead processes, resume a paused bot, approve open cards, and release held runs.

    Returns whether the bot is connected to Discord.
    """
    world = story.world
    is_up = await world.start()
    await settings.resume(story)
    for card in moderators.open_cards(story):
        for who in ("mona", "mike", "rita"):
            if story.moderates(who, card.channel):
                await story.press(who, card, "Approve")
                break
    for card in moderators.open_cards(story, "Post as spoiler"):
        if card.id // 2**22 % 2:  # the others expire
            await story.press("mona", card, "Post")
    for run in world.comfydeploy.runs:
        # The other half of the held runs goes on past the bot's deadline.
        age = (comfydeploy_now() - run.created_at).total_seconds()
        if run.released.is_waited_for and (age > _HELD_FOR or int(run.id[:2], 16) % 2):
            world.comfydeploy.release(run.id)
    return is_up


def _settled(story: Story) -> bool:
    """Return whether every request has ended as far as anybody can see, and every promise is kept."""
    if story.world.comfydeploy.world.activity.active:
        return False
    if any(moderators.open_cards(story, label) for label in ("Approve", "Post as spoiler")):
        return False
    return not any(broken_promises(story))


async def _read_lists(story: Story) -> None:
    """Let everybody open /runs, which offers undelivered results; read the audit logs, too."""
    world, halls = story.world, ("hall-studio", "hall-reviewed")
    for name in halls:
        guild = world.cast.guilds[name.removeprefix("hall-")]
        world.cast.channels[name] = world.discord.add_text(guild, name)
    await asyncio.sleep(0.1)
    for who in sorted({*requests.MEMBERS, *(ask.who for ask in story.asks)}):
        for place in (*halls, f"dm:{who}"):
            sent = await story.answer(await story.slash(who, place, "runs", {}))
            if sent is not None:
                story.lists.setdefault(who, []).append(sent.text)
    for place in halls:
        shown = await story.answer(await story.slash("mona", place, "audit", {}))
        if shown is not None and shown.original is not None:
            await story.answer(await story.press("mona", shown.original, "CSV file"))
    await asyncio.sleep(1)


def _left_behind(world: World) -> list[str]:
    """Return the tasks, connections and temporary files that are left after an orderly stop."""
    left = [f"a process didn't stop: {process.life}" for process in world.running]
    for process in world.processes:
        left += [f"a task is left: {task}" for task in process.left]
        if process.code == 0:
            left += [f"{resource!r} is left open" for resource in process.life.left_open]
    if all(process.code == 0 for process in world.processes):
        # A killed process can't delete its temporary files.
        files = {path.name for path in Path(tempfile.gettempdir()).iterdir()} - {world.folder.name}
        left += [f"a file is left: {name}" for name in files - world.files_before]
    return left


def play_round(seed: str, steps: Sequence[Step], folder: Path, database: Database) -> Result:
    """Play the steps in a fresh world.

    On PostgreSQL, which several processes can share, the seed chooses the layout of processes.
    """
    result = Result(seed, steps)
    with new_world(seed, folder) as world:
        database.give(world)
        if world.is_postgres:
            world.layout = random.Random(f"{seed}-layout").choice(LAYOUTS)
            if any(ACTIONS[step.name].kind == "leases" for step in steps):
                world.layout = TWO_WORKERS
        STATEMENTS.strike = None
        try:
            world.loop.run_until_complete(_play(world, steps, result))
        except Deadlock as error:
            result.broken.append(f"deadlock: {error}")
        finally:
            result.broken += [f"an error in the loop: {error}" for error in world.loop.errors]
            result.log = [*map(str, world.log)]
    database.take_back(world)
    return result


def _seen(story: Story) -> list[str]:
    """Return lines that show every message of a round, with all its versions."""
    lines = []
    for message in story.discord.request_log.messages:
        gone = " deleted" if message.deleted_at is not None else ""
        files = [file.filename for file in message.attachments]
        lines.append(f"{message.created:9.3f} {where(message)}{gone} {message.nonce or ''} {files}")
        lines += [f"              {text_of(body)[:300]!r}" for body in bodies(message)]
    return lines
