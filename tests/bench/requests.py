"""Measure 200 requests at once, from the command to the picture; the baseline is a plain bot."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.runs import Run
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.bench import events
from tests.bench.delivery import FILE, a_picture
from tests.bench.figures import Figure, latencies
from tests.bench.processes import busy, hammer
from tests.bench.setup import add_people, ask, backend, channels, pid_of, scene
from tests.e2e.bot_process import PATIENCE, bot_environment
from tests.fakediscord.launch import command
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, User
from tests.ports import free_port

REQUESTS = 200
PLACES = 20
# With the success, a request has 25 webhooks.
PROGRESS = 24
PROGRESS_PAUSE = 0.25
ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Stage:
    """A running bot between the two fakes, with people and channels."""

    discord: FakeDiscord
    comfydeploy: FakeComfyDeploy
    places: Sequence[Channel]
    people: Sequence[User]
    port: int
    pid: int


async def queued(stage: Stage, before: int) -> list[Run]:
    """Wait until all runs of the scenario are queued, and return them."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await stage.comfydeploy.idle()
            running = list(stage.comfydeploy.runs)[before:]
            if len(running) == REQUESTS:
                return running
            await asyncio.sleep(0.05)


def progress_of(run: Run) -> list[str]:
    address = urlsplit(run.webhook or "")
    path = f"{address.path}?{address.query}"
    return [
        events.request(path, events.body(run.id, "running", step / (PROGRESS + 1)))
        for step in range(1, PROGRESS + 1)
    ]


def pictures(stage: Stage) -> int:
    """Return the number of messages with files."""
    return sum(
        bool(message.attachments) for place in stage.places for message in stage.discord.messages(place)
    )


@dataclass(frozen=True, slots=True)
class Played:
    """The seconds to each first answer, and the CPU milliseconds per request."""

    answers: list[float]
    each: float


async def play(stage: Stage) -> Played:
    """Play 200 requests to their pictures."""
    before, posted = busy(stage.pid), pictures(stage)
    known = len(list(stage.comfydeploy.runs))
    asked = await ask(stage.discord, stage.people, stage.places, REQUESTS)
    running = await queued(stage, known)
    await hammer(stage.port, [progress_of(run) for run in running], pause=PROGRESS_PAUSE)
    url = stage.comfydeploy.world.bucket.plain_link(FILE)
    async with aiohttp.ClientSession() as web, asyncio.TaskGroup() as group:
        for run in running:
            group.create_task(events.send_success(web, run.webhook or "", run.id, url))
    await stage.discord.wait_until(lambda: pictures(stage) == posted + REQUESTS, within=120)
    await asyncio.sleep(1)  # include the deletion of status messages
    each = (busy(stage.pid) - before) / REQUESTS * 1000
    return Played([one.latency for one in asked], each)


def held_backend() -> FakeComfyDeploy:
    """Return a fake ComfyDeploy that sends no webhooks, because the benchmark sends them."""
    comfydeploy = backend()
    comfydeploy.faults = Faults(hold_at="queued", webhook_drop=True)
    return comfydeploy


@asynccontextmanager
async def plain_bot() -> AsyncIterator[Stage]:
    """Start `tests.bench.plain_bot`."""
    async with FakeDiscord(rate_limits=False) as discord, held_backend() as comfydeploy:
        guild = discord.add_guild("Studio")
        places = [discord.add_text(guild, f"channel-{number}") for number in range(PLACES)]
        people, port = add_people(discord, guild, REQUESTS), free_port()
        env = bot_environment(discord, comfydeploy, "", port)
        process = await asyncio.create_subprocess_exec(
            *command(discord.url, "tests.bench.plain_bot"), env=env
        )
        try:
            await discord.wait_command("generate", within=30)
            yield Stage(discord, comfydeploy, places, people, port, process.pid)
        finally:
            process.kill()
            await process.wait()


@asynccontextmanager
async def whole_bot() -> AsyncIterator[Stage]:
    async with scene(comfydeploy=held_backend(), rate_limits=False) as home:
        places = channels(home, PLACES)
        people = add_people(home.discord, home.guild, REQUESTS)
        await home.start()
        yield Stage(home.discord, home.comfydeploy, places, people, home.port, pid_of(home))


async def rounds(stage: Stage) -> Played:
    """Play the scenario a few times. The first time, when modules are imported, isn't counted."""
    picture = await asyncio.to_thread(a_picture)
    stage.comfydeploy.world.bucket.put(FILE, picture, "image/png")
    _, *played = [await play(stage) for _ in range(1 + ROUNDS)]
    answers = [second for each in played for second in each.answers]
    return Played(answers, sum(each.each for each in played) / ROUNDS)


async def measure(_options: Namespace) -> list[Figure]:
    async with whole_bot() as stage:
        whole = await rounds(stage)
    async with plain_bot() as stage:
        plain = await rounds(stage)
    what = f"processor time of one with {PROGRESS + 1} webhooks, {REQUESTS} at once"
    return [
        Figure("requests", what, whole.each, "ms", plain.each, "ratio ≤ 3"),
        *latencies("requests", "first answer", whole.answers, plain.answers, "p99: ratio ≤ 1.5"),
        Figure("requests", "the slowest of all", max(whole.answers) * 1000, "ms", aim="≤ 3,000 ms"),
    ]
