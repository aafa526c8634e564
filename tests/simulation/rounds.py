"""Draw a round from a seed, play it, let everything come to rest, and judge it."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.simulation import buttons, changes, faults, moderators, own_commands, people, settings, strangers
from tests.simulation.boundaries import STATEMENTS
from tests.simulation.evidence import Evidence, bodies, text_of
from tests.simulation.loop import Deadlock, VirtualLoop
from tests.simulation.patches import TIME, entropy
from tests.simulation.promises import always, at_the_end
from tests.simulation.setup import SINCE_PREPARATION, Database
from tests.simulation.steps import Step, choose, play
from tests.simulation.story import Story
from tests.simulation.world import DEPLOYMENTS, LAYOUTS, World

MOST_REQUESTS = 4
# Virtual seconds between two steps.
PAUSES = (0.0, 0.05, 0.3, 1.0, 2.0, 5.0)
# How a round may go wrong, and how likely each kind is.
KINDS = {
    "discord": 0.45,
    "run": 0.6,
    "comfydeploy": 0.1,
    "outage": 0.08,
    "database": 0.15,
    "kill": 0.35,
    "threads": 0.05,
    "clock": 0.05,
    "place": 0.2,
    "change": 0.25,
    "cancel": 0.25,
    "preset": 0.12,
    "moderate": 0.1,
    "press": 0.75,
    "command": 0.25,
    "audit": 0.1,
    "block": 0.06,
    "settings": 0.12,
    "owner": 0.06,
    "forge": 0.2,
    "late": 0.1,
}
# What people do about requests comes after one; other things may come before.
_AFTERWARDS = ("cancel", "press", "preset", "moderate", "audit", "forge", "late")
# Where requests wait for approval, moderators decide about most.
_APPROVAL = 0.85


def draw(seed: str) -> list[Step]:
    """Draw the steps of a round: up to four requests, and trouble around them."""
    chance = random.Random(f"{seed}-outline")
    before: list[Step] = []
    steps: list[Step] = []
    count = chance.choice((1, 2, 2, 3, 4))
    for number in range(count):
        own = random.Random(f"{seed}-ask-{number}")
        steps.append(_step(own, "ask"))
    for kind, usually in KINDS.items():
        likely = _APPROVAL if kind == "moderate" and _needs_approval(steps) else usually
        own = random.Random(f"{seed}-{kind}")
        while own.random() < likely:
            step = _step(own, kind)
            if kind == "cancel":
                # A run is under way for a few seconds only.
                step = replace(step, after=min(step.after, 1.0))
            # Trouble may begin before the first request, or after any of them.
            place = own.randrange(1 if kind in _AFTERWARDS else 0, len(steps) + 1)
            if kind == "cancel":
                place = own.choice([n for n, each in enumerate(steps, 1) if each.name == "ask"])
            if kind in ("press", "moderate", "audit"):
                place = len(steps)
            steps.insert(place, step)
            likely *= 0.6
    return before + steps


def _needs_approval(steps: Sequence[Step]) -> bool:
    return any(step.arguments.get("where") == "requests" for step in steps)


def _step(chance: random.Random, kind: str) -> Step:
    after = chance.choice(PAUSES)
    drawn = choose(chance, kind)
    return Step(after, drawn.name, drawn.draw(chance))


@dataclass
class Result:
    """What came of a round."""

    seed: str
    steps: Sequence[Step]
    broken: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    requests: int = 0
    kills: int = 0
    faults: int = 0
    gaps: int = 0
    """How many requests ended in a known gap."""
    seconds: float = 0.0
    seen: list[str] = field(default_factory=list)
    """What each person saw, for a round that failed."""


async def _play(world: World, steps: Sequence[Step], result: Result) -> None:
    story = Story(world)
    await world.open()
    world.loop.jump(SINCE_PREPARATION)
    try:
        await world.start()
        for step in steps:
            await asyncio.sleep(step.after)
            world.note("step", str(step))
            await play(story, step)
            result.broken += [f"after {step}: {broken}" for broken in always(story)]
            if result.broken:
                break
        await _rest(story)
        result.broken += map(str, at_the_end(story))
        await world.stop()
        await asyncio.sleep(0.2)
        result.broken += _left_behind(world)
    finally:
        result.requests, result.faults = len(story.asks), len(story.struck)
        result.kills = sum(process.code == -9 for process in world.processes)
        result.gaps = len(story.gaps)
        result.seen = seen_by_everybody(story)
        await world.close()


# Jumps after which everything has ended: deadlines, leases, pauses, and the day after which an undecided card
# expires. Between them a few seconds pass.
_JUMPS = (0, 30, 120, 300, 900, 3600, 7200, 7200, 90_000, 7200, 7200)
_BETWEEN_JUMPS = 5.0


async def _rest(story: Story) -> None:
    """Stop all trouble, and give everything time to end."""
    world = story.world
    world.discord.faults.clear()
    world.comfydeploy.world.plan.away = False
    STATEMENTS.strike = None
    world.loop.executor_delay = lambda _life, _name: 0.0
    world.note("trouble", "all faults stop")
    for seconds in _JUMPS:
        await world.until(lambda: not world.pending, 60)
        if seconds:
            faults.jump(story, seconds)
        await _calm(story)
        await asyncio.sleep(_BETWEEN_JUMPS)
        if _settled(story):
            break
    await asyncio.sleep(2)
    await _read_lists(story)


async def _calm(story: Story) -> None:
    """Do what people and a supervisor do: start a dead bot, end a pause, decide cards, let runs go."""
    world = story.world
    await world.start()
    await settings.resume(story)
    for card in moderators.open_cards(story):
        for who in ("mona", "mike", "rita"):
            if story.rights(who, card.channel, card) & {"manages_server", "reviews"}:
                await story.press(who, card, "Approve")
                break
    for run in world.comfydeploy.runs:
        if run.released.is_waited_for and (TIME.monotonic > 1200 or int(run.id[:2], 16) % 2):
            world.comfydeploy.release(run.id)


def _settled(story: Story) -> bool:
    """Return whether nothing is under way, as far as anybody can see."""
    evidence = Evidence(story)
    if story.world.comfydeploy.world.activity.active or moderators.open_cards(story):
        return False
    for request in evidence.requests:
        if not evidence.outcomes(request) and any(m.deleted_at is None for m in evidence.statuses(request)):
            return False
    return not any(
        broken.promise.startswith(("every", "no status", "outputs")) for broken in at_the_end(story)
    )


async def _read_lists(story: Story) -> None:
    """Let everybody look into /runs, where results are offered that couldn't be posted."""
    world = story.world
    halls = [
        world.discord.add_text(world.cast.guilds[name], f"hall-{name}") for name in ("studio", "reviewed")
    ]
    for hall in halls:
        world.cast.channels[hall.name] = hall
    await asyncio.sleep(0.1)
    for who in people.MEMBERS:
        for where in (*(hall.name for hall in halls), f"dm:{who}"):
            sent = await story.answer(await story.slash(who, where, "runs", {}))
            if sent is not None:
                story.lists.setdefault(who, []).append(sent.text)
    await asyncio.sleep(1)


def _left_behind(world: World) -> list[str]:
    """Return what is still there after an orderly stop."""
    left = [f"a process didn't stop: {process.life}" for process in world.running]
    for process in world.processes:
        left += [f"a task is left: {task}" for task in process.left]
        if process.code == 0:
            left += [f"{resource!r} is left open" for resource in process.life.left_open]
    return left


def play_round(seed: str, steps: Sequence[Step], folder: Path, database: Database) -> Result:
    """Play the steps in a fresh world. Only PostgreSQL can be shared by several processes."""
    result = Result(seed, steps)
    TIME.restart()
    entropy.restart(seed)
    folder.mkdir(parents=True)
    shutil.copyfile(DEPLOYMENTS, folder / "deployments.toml")
    loop = VirtualLoop(random.Random(f"{seed}-order"))
    asyncio.set_event_loop(loop)
    world = World(loop, folder, seed)
    if database.kind == "postgres":
        world.layout = random.Random(f"{seed}-layout").choice(LAYOUTS)
    database.give(world)
    STATEMENTS.strike = None
    try:
        loop.run_until_complete(_play(world, steps, result))
    except Deadlock as error:
        result.broken.append(f"deadlock: {error}")
    finally:
        result.seconds = TIME.monotonic - 1000 - SINCE_PREPARATION
        result.broken += [f"an error in the loop: {error}" for error in loop.errors]
        result.broken += [f"a callback took too long: {slow}" for slow in loop.slow_callbacks]
        result.log = [str(entry) for entry in world.log]
        loop.bury()
        database.take_back(world)
        shutil.rmtree(folder, ignore_errors=True)
    return result


def seen_by_everybody(story: Story) -> list[str]:
    """Return every message of a round with all that it has shown."""
    lines = []
    for message in story.world.discord.request_log.messages:
        place = message.channel.name or f"dm:{message.channel.recipient and message.channel.recipient.name}"
        reader = (
            f" only to {message.interaction.user.name}" if message.ephemeral and message.interaction else ""
        )
        gone = " deleted" if message.deleted_at is not None else ""
        lines.append(f"{message.created:9.3f} #{place}{reader}{gone} {message.id} {message.nonce or ''}")
        lines += [f"              {text_of(body)[:300]!r}" for body in bodies(message)]
        if message.attachments:
            lines.append(f"              files: {[file.filename for file in message.attachments]}")
    return lines


_ = buttons, changes, own_commands, strangers
