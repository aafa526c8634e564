"""Run the real app with a fake ComfyDeploy, without Discord or in an offline one (simcord).

The webhook endpoint and ComfyDeploy use real sockets. Workers run only when a test calls `play`, so no test
waits for time to pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import discord
import simcord

from bot.app import Process, build
from bot.config.settings import Settings
from bot.domain.runs import Run
from bot.outside import Outside
from bot.web import listening
from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.server import API_KEY, FakeComfyDeploy
from demo.world import SETTLED_WITHIN, open_attachment
from tests import questions
from tests.databases import Database, new_sqlite
from tests.ports import free_port

HELD = Faults(hold_at="running")
# Arguments of `FakeComfyDeploy`. Full-size pictures would take a third of the tests' time.
QUICK: dict[str, Any] = {"webhook_waits": (0, 0), "picture_scale": 1 / 8}


class Clock:
    """The bot's clock, which only the test moves. It starts at the same time as the offline Discord's."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self._passed = timedelta()

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        """Return the total seconds by which the clock was moved forward."""
        return self._passed.total_seconds()

    def move(self, **parts: float) -> None:
        """Move the clock. Moving it back doesn't change the monotonic time."""
        moved = timedelta(**parts)
        self.now += moved
        self._passed += max(moved, timedelta())


@dataclass
class AppRunner:
    """The open app with what it runs on."""

    settings: Settings
    clock: Clock
    port: int
    comfydeploy: FakeComfyDeploy
    app: Process
    database: Database


@asynccontextmanager
async def open_app(
    folder: Path, *, comfydeploy: FakeComfyDeploy | None = None, **more: Any
) -> AsyncIterator[AppRunner]:
    """Start the fake ComfyDeploy and open the app, without connecting to Discord.

    `more` are settings by name.
    """
    clock, port = Clock(), free_port()
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(comfydeploy or FakeComfyDeploy(**QUICK, now=clock))
        settings = Settings(
            **{
                "discord_token": "a.b.c-0123456789",
                "comfydeploy_api_key": API_KEY,
                "comfydeploy_api_url": backend.url,
                "comfydeploy_deployment_id": PICTURE_ID,
                "public_url": f"http://127.0.0.1:{port}",
                "database_url": new_sqlite(folder),
                "allow_private_media_networks": "127.0.0.0/8",
                **more,
            }
        )
        database = Database(settings.database_url.get_secret_value())
        stack.push_async_callback(database.close)
        app = await stack.enter_async_context(build(settings, Outside(now=clock, monotonic=clock.monotonic)))

        async def read_offline(url: str) -> bytes | None:
            return await open_attachment(app, url)

        app.app.fetcher.read_offline = read_offline
        await stack.enter_async_context(listening(app.web, "127.0.0.1", port))
        yield AppRunner(settings, clock, port, backend, app, database)


@dataclass
class Harness:
    """A running bot with the fakes, a server, a channel and a member."""

    runner: AppRunner
    env: simcord.Env
    channel: simcord.ChannelHandle
    alice: simcord.MemberActor

    async def play(self) -> None:
        """Run the workers until both they and the fake ComfyDeploy are idle."""
        workers, comfydeploy = self.runner.app.workers, self.runner.comfydeploy
        while True:
            heard = len(comfydeploy.call_log.webhook_attempts)
            done = sum([await worker.drain() for name, worker in workers.items() if name != "prune"])
            await comfydeploy.idle()
            if not done and heard == len(comfydeploy.call_log.webhook_attempts):
                return

    async def runs(self) -> list[Run]:
        """Return every stored run, oldest first."""
        return await questions.runs(self.runner.database)

    @property
    def calls(self) -> list[Any]:
        """The queue calls that reached ComfyDeploy."""
        return list(self.runner.comfydeploy.call_log.queue_calls)

    def messages(self) -> list[discord.Message]:
        """Return the public messages of the channel, oldest first."""
        found = self.channel.history(viewer=self.alice)
        return [message for message in found if not message.flags.ephemeral]


@asynccontextmanager
async def running_bot(folder: Path, **settings: Any) -> AsyncIterator[Harness]:
    """Run the bot in an offline Discord until the end of the block; `settings` are those of `open_app`."""
    async with (
        open_app(folder, **settings) as runner,
        simcord.run(runner.app.bot, settle_timeout=SETTLED_WITHIN) as env,
    ):
        guild = env.create_guild("Studio")
        channel = guild.create_text_channel("pictures")
        yield Harness(runner, env, channel, guild.add_member(env.create_user("alice")))
