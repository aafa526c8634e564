"""Set up a benchmark: the bot as a process with people, channels and stored runs, and the load on it."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from random import SystemRandom

import aiohttp
import psutil

from bot.comfydeploy.wire import WebhookSigner
from bot.domain.backend import WEBHOOK_PATH
from bot.domain.requests import new_key
from bot.domain.runs import Run, RunState
from demo.fake_comfydeploy.deployments import PICTURE_ID, PROMPT, SEED, InputNode, picture, size_input
from demo.fake_comfydeploy.generator import scene_of
from demo.fake_comfydeploy.painting import paint_png
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.chaos.database import opened
from tests.databases import migrate
from tests.e2e.bot_process import ANSWER_WITHIN, BotProcess, bot_process
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.launch import command
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, User
from tests.questions import insert_runs
from tests.unit.factories import made_run

SECRET = "the-bench-s-own-webhook-secret-0001"
AT_ONCE = 1000
FILE = "outputs/runs/bench/ComfyUI_00001_.png"


class PlainBot(BotProcess):
    """`tests.bench.plain_bot` as a process."""

    async def launch(self) -> None:
        arguments = command(self.discord.url, "tests.bench.plain_bot")
        self.process = await asyncio.create_subprocess_exec(*arguments, env=self.environment())


def backend() -> FakeComfyDeploy:
    """Return a fake ComfyDeploy whose deployment never queues and has an option with 200 choices."""
    models = tuple(f"model {number:03}" for number in range(200))
    model = InputNode(class_type="Enum", input_id="model", default=models[0], options=models)
    inputs = (PROMPT, SEED, size_input("width", 256), size_input("height", 256), model)
    loaded = replace(picture(), inputs=inputs, nodes=("KSampler",) * 6, concurrency_limit=AT_ONCE)
    return FakeComfyDeploy(pace=0.0, deployments=[loaded])


@asynccontextmanager
async def scene(
    kind: type[BotProcess] = BotProcess,
    *,
    comfydeploy: FakeComfyDeploy | None = None,
    rate_limits: bool = True,
    database: str = "sqlite",
) -> AsyncIterator[BotProcess]:
    """Set up a bot's process without starting it."""
    discord = FakeDiscord(rate_limits=rate_limits, answer_within=ANSWER_WITHIN)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        async with (
            opened(database, Path(name)) as stored,
            bot_process(
                Path(name),
                kind,
                discord=discord,
                comfydeploy=comfydeploy or backend(),
                database=stored,
                WEBHOOK_SECRET=SECRET,
                POLL_INTERVAL_SECONDS="15",
                SUBMIT_GRACE_SECONDS="180",
            ) as home,
        ):
            await migrate(stored.url)
            yield home


def process_of(home: BotProcess) -> psutil.Process:
    assert home.process is not None
    return psutil.Process(home.process.pid)


def channels(home: BotProcess, count: int) -> list[Channel]:
    return [home.discord.add_text(home.guild, f"channel-{number}") for number in range(count)]


def people(home: BotProcess, count: int) -> list[User]:
    return [home.discord.add_user(f"person-{number}", home.guild) for number in range(count)]


async def seed(home: BotProcess, places: Sequence[Channel]) -> list[Run]:
    """Store runs in flight, one for each channel, as an earlier process would have left them."""
    now = datetime.now(UTC)
    seeded = [
        made_run(
            RunState.UPLOADING,
            key=new_key(SystemRandom()),
            created_at=now,
            submitted_at=now,
            requester_id=home.alice.id,
            guild_id=(place.guild or home.guild).id,
            channel_id=place.id,
            deployment_id=PICTURE_ID,
            run_id=str(uuid.uuid4()),
        )
        for place in places
    ]
    await insert_runs(home.database, *seeded, due_at=now + timedelta(hours=1))
    return seeded


async def ask(home: BotProcess, people: Sequence[User], places: Sequence[Channel]) -> list[Interaction]:
    """Send a `/generate` of each person at once, in channels in turn, and wait for the answers."""
    asked = []
    for person, place in zip(people, cycle(places), strict=False):
        asked.append(await home.discord.slash(person, place, "generate", {"prompt": person.name}))
    await asyncio.gather(*(asking.wait_answer(20) for asking in asked))
    refused = [one.text for one in asked if one.original is not None and one.original.ephemeral]
    assert not refused, "a refusal is faster than an accepted request"
    return asked


def path_of(run: Run) -> str:
    """Return the path of a run's webhook."""
    return f"{WEBHOOK_PATH}/{run.key}/{WebhookSigner(SECRET, None).mac(run.key)}?target_events=run.output"


def put_picture(home: BotProcess) -> str:
    """Put a picture into ComfyDeploy's bucket, and return its link."""
    bucket = home.comfydeploy.world.bucket
    picture = scene_of({"prompt": "a fox", "seed": 1, "width": 768, "height": 768})
    bucket.put(FILE, paint_png(picture, None), "image/png")
    return bucket.plain_link(FILE)


async def send_success(web: aiohttp.ClientSession, address: str, run_id: str, url: str) -> None:
    """Send the webhook of a success with one picture. Raises ClientResponseError if it is refused."""
    item = {"url": url, "type": "output", "filename": "ComfyUI_00001_.png", "subfolder": ""}
    node = {"node_id": "9", "node_class": "SaveImage"}
    await send(web, address, run_id, "success", 1.0, {"data": {"images": [item]}, "node_meta": node})


async def send(
    web: aiohttp.ClientSession, address: str, run_id: str, status: str, progress: float, *outputs: object
) -> None:
    """Send a webhook with the keys of ComfyDeploy's. Raises ClientResponseError if it is refused."""
    event = {
        "event_type": "run.updated",
        "run_id": run_id,
        "status": status,
        "live_status": f"Executing KSampler {progress:.2f}",
        "progress": progress,
        "outputs": outputs,
    }
    async with web.post(address, json=event) as answer:
        answer.raise_for_status()
