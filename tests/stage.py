"""A stage for tests: the real bot in an offline Discord, the real webhook endpoint, the stand-in behind real
sockets, a real database. Workers run when a test says so (`play`), so nothing has to be waited for."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import discord
import simcord

from bot.app import build, start_web
from bot.runs import Run, RunState
from bot.settings import Settings
from bot.wiring import App
from demo.standin import StandIn
from demo.standin.deployments import PICTURE_ID
from demo.standin.server import API_KEY
from demo.world import SETTLED_WITHIN


class Clock:
    """The bot's clock. It stands still until it is moved, and begins when the offline Discord's begins."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **parts: float) -> None:
        self.now += timedelta(**parts)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_for(standin: StandIn, folder: Path, port: int | None, **more: Any) -> Settings:
    """Settings as `.env` would give them; with a port, webhooks come there."""
    return Settings(
        **{
            "discord_token": "a.b.c-0123456789",
            "comfydeploy_api_key": API_KEY,
            "comfydeploy_api_url": standin.url,
            "public_url": f"http://127.0.0.1:{port}" if port else None,
            "database_url": f"sqlite+aiosqlite:///{folder}/bot.db",
            "allow_private_media_hosts": True,
            **more,
        }
    )


@dataclass
class Theatre:
    """The bot's process: it can end and begin again over the same database and the same address."""

    settings: Settings
    clock: Clock
    port: int
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def open(self) -> App:
        app = await self.stack.enter_async_context(build(self.settings, self.clock))
        runner, _ = await start_web(app, "127.0.0.1", self.port)
        self.stack.push_async_callback(runner.cleanup)
        return app

    async def close(self) -> None:
        await self.stack.aclose()


@dataclass
class Stage:
    """What a test acts with."""

    app: App
    env: simcord.Env
    standin: StandIn
    clock: Clock
    theatre: Theatre
    guild: simcord.GuildHandle
    channel: simcord.ChannelHandle
    alice: simcord.MemberActor
    bob: simcord.MemberActor

    async def play(self) -> None:
        """Everything that is to be done now: until the workers and the stand-in are idle together."""
        while True:
            done = await self._work()
            await self.standin.idle()
            if not done and not await self._work():
                return

    async def later(self, **parts: float) -> None:
        """Time passes, for the bot and for Discord, and what has fallen due is done."""
        self.clock.move(**parts)
        await self.env.advance_time(timedelta(**parts).total_seconds())
        await self.play()

    async def restart(self, **changed: Any) -> None:
        """The bot's process ends and another one starts over the same database."""
        await self.theatre.close()
        self.theatre.settings = self.theatre.settings.model_copy(update=changed)
        self.app = await self.theatre.open()
        await self.env.restart_bot(self.app.bot)

    def messages(self, channel: Any = None) -> list[discord.Message]:
        """What everybody sees in the channel, oldest first."""
        found = (channel or self.channel).history(viewer=self.alice)
        return [message for message in found if not message.flags.ephemeral]

    async def runs(self) -> list[Run]:
        """What the store holds, the oldest first."""
        async with self.app.store.database.read() as connection:
            keys = (
                await connection.exec_driver_sql("SELECT key FROM runs ORDER BY created_at, key")
            ).scalars()
            found = [await self.app.store.runs.get(key) for key in keys]
        return [run for run in found if run is not None]

    async def states(self) -> list[RunState]:
        return [run.state for run in await self.runs()]

    async def keys(self) -> list[str]:
        return [run.key for run in await self.runs()]

    async def run(self) -> Run:
        """The only run."""
        (only,) = await self.runs()
        return only

    @property
    def calls(self) -> list[Any]:
        """The queue calls that reached ComfyDeploy."""
        return list(self.standin.ledger.queue_calls)

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Inside the block the database's file can't be opened; call `store.close()` before it."""
        file = Path(str(self.app.store.database.engine.url.database))
        aside = file.with_suffix(".away")
        file.rename(aside)
        file.mkdir()
        try:
            yield
        finally:
            file.rmdir()
            aside.rename(file)

    async def _work(self) -> int:
        return sum([await worker.drain() for worker in self.app.workers.values()])


@asynccontextmanager
async def stage(
    folder: Path,
    *,
    deployments: str | None = None,
    webhooks: bool = True,
    standin: StandIn | None = None,
    clock: Clock | None = None,
    **more: Any,
) -> AsyncIterator[Stage]:
    """`deployments` is the text of a deployments.toml; without it the picture deployment is the only one."""
    async with standin or StandIn(webhook_waits=(0, 0)) as backend:
        port = free_port()
        if deployments is not None:
            path = folder / "deployments.toml"
            path.write_text(deployments, encoding="utf-8")
            more["deployments_file"] = path
        elif "comfydeploy_deployment_id" not in more:
            more["comfydeploy_deployment_id"] = PICTURE_ID
        settings = settings_for(backend, folder, port if webhooks else None, **more)
        theatre = Theatre(settings, clock or Clock(), port)
        try:
            app = await theatre.open()
            async with simcord.run(app.bot, settle_timeout=SETTLED_WITHIN) as env:
                yield _people(app, env, backend, theatre)
        finally:
            await theatre.close()


def _people(app: App, env: simcord.Env, standin: StandIn, theatre: Theatre) -> Stage:
    guild = env.create_guild("Studio")
    channel = guild.create_text_channel("pictures")
    alice = guild.add_member(env.create_user("alice"))
    bob = guild.add_member(env.create_user("bob"))
    return Stage(app, env, standin, theatre.clock, theatre, guild, channel, alice, bob)
