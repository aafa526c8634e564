"""A stage for tests: the real bot in an offline Discord, the real webhook endpoint, the stand-in behind real
sockets, a real database. Workers run when a test says so (`play`), so nothing has to be waited for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import discord
import simcord

from bot.app import App, build, start_web
from bot.settings import Settings
from demo.standin import StandIn
from demo.standin.deployments import PICTURE_ID
from demo.standin.server import API_KEY


class Clock:
    """The bot's clock, moved by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def move(self, **parts: float) -> None:
        self.ahead += timedelta(**parts)


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
class Stage:
    """What a test acts with."""

    app: App
    env: simcord.Env
    standin: StandIn
    clock: Clock
    guild: simcord.GuildHandle
    channel: simcord.ChannelHandle
    alice: simcord.MemberActor
    bob: simcord.MemberActor

    async def play(self) -> None:
        """Everything that is to be done now: until the workers and the stand-in are idle together."""
        while True:
            done = sum([await worker.drain() for worker in self.app.workers.values()])
            await self.standin.idle()
            if not done and not sum([await worker.drain() for worker in self.app.workers.values()]):
                return

    def messages(self, channel: Any = None) -> list[discord.Message]:
        """What Alice sees in the channel, oldest first."""
        return list((channel or self.channel).history(viewer=self.alice))


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
    clock = clock or Clock()
    async with standin or StandIn(webhook_waits=(0, 0)) as backend:
        port = free_port() if webhooks else None
        if deployments is not None:
            path = folder / "deployments.toml"
            path.write_text(deployments, encoding="utf-8")
            more["deployments_file"] = path
        elif "comfydeploy_deployment_id" not in more:
            more["comfydeploy_deployment_id"] = PICTURE_ID
        async with build(settings_for(backend, folder, port, **more), clock) as app:
            runner, _ = await start_web(app, "127.0.0.1", port or 0)
            try:
                async with simcord.run(app.bot) as env:
                    yield await _people(app, env, backend, clock)
            finally:
                await runner.cleanup()


async def _people(app: App, env: simcord.Env, standin: StandIn, clock: Clock) -> Stage:
    guild = env.create_guild("Studio")
    channel = guild.create_text_channel("pictures")
    alice = guild.add_member(env.create_user("alice"))
    bob = guild.add_member(env.create_user("bob"))
    return Stage(app, env, standin, clock, guild, channel, alice, bob)
