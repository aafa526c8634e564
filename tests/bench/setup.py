"""Set up a benchmark: the bot as a process, channels, people, stored runs, a deployment without a queue."""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any

from bot.comfydeploy.wire import WEBHOOK_PATH, WebhookSigner
from bot.database.rows import insert_rows
from bot.domain.requests import new_key
from bot.domain.runs import RunState
from bot.outside import Outside
from bot.store import Store
from demo.fake_comfydeploy.deployments import PICTURE_ID, PROMPT, SEED, InputNode, picture, size_input
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.e2e.bot_process import BotProcess, bot_process
from tests.fakediscord.errors import Json
from tests.fakediscord.faults import Fault, Faults
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, Guild, User

SECRET = "the-bench-s-own-webhook-secret-0001"
AT_ONCE = 1000
POST = "POST /channels/{channel_id}/messages"


class Arrivals(Faults):
    """Records when requests reached the fake Discord, before their bodies were read."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, str, Json]] = []

    def draw(self, route: str, params: Json) -> Fault | None:
        self.seen.append((time.perf_counter(), route, params))
        return super().draw(route, params)

    def posts(self) -> dict[int, list[float]]:
        """Return the times at which posts began, by channel."""
        found: dict[int, list[float]] = {}
        for at, route, params in self.seen:
            if route == POST:
                found.setdefault(int(params["channel_id"]), []).append(at)
        return found


@dataclass(frozen=True, slots=True)
class Seeded:
    """A run that was stored before the bot started."""

    key: str
    run_id: str
    channel: Channel | None

    @property
    def path(self) -> str:
        return (
            f"{WEBHOOK_PATH}/{self.key}/{WebhookSigner(SECRET, None).mac(self.key)}?target_events=run.output"
        )


def backend(*more: InputNode, pace: float = 0.0, nodes: int = 6) -> FakeComfyDeploy:
    """Return a fake ComfyDeploy whose deployment never queues and has an option with 200 choices."""
    models = tuple(f"model {number:03}" for number in range(200))
    model = InputNode(class_type="Enum", input_id="model", default=models[0], options=models)
    sizes = (size_input("width", 256), size_input("height", 256))
    inputs = (PROMPT, SEED, *sizes, model, *more)
    loaded = replace(picture(), inputs=inputs, nodes=("KSampler",) * nodes, concurrency_limit=AT_ONCE)
    return FakeComfyDeploy(pace=pace, deployments=[loaded])


@asynccontextmanager
async def scene(
    *, comfydeploy: FakeComfyDeploy | None = None, rate_limits: bool = True, **settings: Any
) -> AsyncIterator[BotProcess]:
    """Set up the bot's process without starting it. `settings` are further environment variables."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with bot_process(
            Path(folder),
            comfydeploy=comfydeploy or backend(),
            rate_limits=rate_limits,
            WEBHOOK_SECRET=SECRET,
            POLL_INTERVAL_SECONDS="15",
            SUBMIT_GRACE_SECONDS="180",
            **settings,
        ) as home:
            yield home


def pid_of(home: BotProcess) -> int:
    """Return the bot's process id. Raises RuntimeError if it is not running."""
    if home.process is None:
        raise RuntimeError("the bot is not running")
    return home.process.pid


def channels(home: BotProcess, count: int) -> list[Channel]:
    return [home.discord.add_text(home.guild, f"channel-{number}") for number in range(count)]


def servers(home: BotProcess, count: int) -> list[Channel]:
    """Add servers of one channel each, and return the channels."""
    return [
        home.discord.add_text(home.discord.add_guild(f"server-{number}"), "pictures")
        for number in range(count)
    ]


async def seed(
    home: BotProcess,
    state: RunState,
    places: Sequence[Channel | None],
    *,
    run_ids: Sequence[str] = (),
    to_check: bool = False,
) -> list[Seeded]:
    """Store runs in flight, one for each channel, as an earlier process would have left them.

    `run_ids` are those of runs at ComfyDeploy; by default it knows none of them.
    """
    ids = run_ids or [str(uuid.uuid4()) for _ in places]
    seeded = [
        Seeded(new_key(SystemRandom()), run_id, place) for run_id, place in zip(ids, places, strict=True)
    ]
    store = Store(home.environment()["DATABASE_URL"], Outside())
    await store.open()
    try:
        await store.database.write(
            insert_rows, [_row(home, run, state) | {"to_check": to_check} for run in seeded]
        )
    finally:
        await store.close()
    return seeded


def _row(home: BotProcess, run: Seeded, state: RunState) -> dict[str, Any]:
    now = datetime.now(UTC)
    place = run.channel or home.channel
    return {
        "key": run.key,
        "request_key": run.key,
        "state": state,
        "created_at": now,
        "requester_id": home.alice.id,
        "guild_id": place.guild.id if place.guild else None,
        "channel_id": place.id,
        "deployment": "picture",
        "deployment_id": PICTURE_ID,
        "inputs": {"prompt": "a fox"},
        "prompt": "a fox",
        "application_id": home.discord.bot.id,
        "upload_limit": 10 * 1024 * 1024,
        "run_id": run.run_id,
        "outputs": [],
        "failure_params": {},
        "file_deployments": [],
        "submitted_at": now,
        "started_at": now,
        "due_at": now + timedelta(hours=1),
        "deadline_seconds": 7200,
    }


async def ask(
    discord: FakeDiscord, people: Sequence[User], places: Sequence[Channel], count: int
) -> list[Interaction]:
    """Send `/generate` many times at once, by people and in channels in turn, and wait for the answers.

    Raises RuntimeError for a refusal, which would be faster than an accepted request.
    """
    asked = [
        await discord.slash(
            people[number % len(people)],
            places[number % len(places)],
            "generate",
            {"prompt": f"fox {number}"},
        )
        for number in range(count)
    ]
    await asyncio.gather(*(asking.wait_answer(20) for asking in asked))
    refused = [one.text for one in asked if one.original is not None and one.original.ephemeral]
    if refused:
        raise RuntimeError(f"{len(refused)} of {count} were refused: {refused[0]}")
    return asked


def add_people(discord: FakeDiscord, guild: Guild, count: int) -> list[User]:
    return [discord.add_user(f"person-{number}", guild) for number in range(count)]
