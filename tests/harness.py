"""Run the real bot in an offline Discord (simcord), with a real database and a fake ComfyDeploy.

The webhook endpoint and ComfyDeploy use real sockets. Workers run only when a test calls `play`, so no test
waits for time to pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import discord
import simcord

from bot.app import Process, build
from bot.config.settings import Settings
from bot.domain.moderation import AuditEntry
from bot.domain.runs import Run, RunState
from bot.outside import Outside, threads
from bot.web import listening
from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.server import API_KEY, FakeComfyDeploy
from demo.world import SETTLED_WITHIN, open_attachment
from tests import questions
from tests.databases import Database, file_away, new_sqlite
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


def settings_for(comfydeploy: FakeComfyDeploy, folder: Path, port: int | None, **more: Any) -> Settings:
    """Build settings as `.env` would set them. Without a port, the bot gets no webhooks."""
    return Settings(
        **{
            "discord_token": "a.b.c-0123456789",
            "comfydeploy_api_key": API_KEY,
            "comfydeploy_api_url": comfydeploy.url,
            "public_url": f"http://127.0.0.1:{port}" if port else None,
            "database_url": new_sqlite(folder),
            "allow_private_media_networks": "127.0.0.0/8",
            **more,
        }
    )


@dataclass
class AppRunner:
    """Opens and closes the app, repeatedly with the same database and port if a test restarts it."""

    settings: Settings
    clock: Clock
    port: int
    comfydeploy: FakeComfyDeploy
    executor: Callable[[str, int], Executor] = threads
    app: Process = field(init=False)
    database: Database = field(init=False)
    pruned_at: datetime | None = field(default=None, init=False)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        self.database = Database(self.settings.database_url.get_secret_value())

    async def open(self) -> Process:
        outside = Outside(now=self.clock, monotonic=self.clock.monotonic, executor=self.executor)
        self.app = await self.stack.enter_async_context(build(self.settings, outside))
        self.app.app.fetcher.read_offline = self._read_offline
        await self.stack.enter_async_context(listening(self.app.web, "127.0.0.1", self.port))
        return self.app

    async def _read_offline(self, url: str) -> bytes | None:
        return await open_attachment(self.app, url)

    async def close(self) -> None:
        await self.stack.aclose()
        await self.database.close()

    def write_deployments(self, text: str) -> None:
        """Replace the text of deployments.toml, as the operator does."""
        assert self.settings.deployments_file is not None
        self.settings.deployments_file.write_text(text, encoding="utf-8")


@dataclass
class Harness:
    """A running bot with the fakes, a server, a channel and two members."""

    app: Process
    env: simcord.Env
    comfydeploy: FakeComfyDeploy
    clock: Clock
    runner: AppRunner
    guild: simcord.GuildHandle
    channel: simcord.ChannelHandle
    alice: simcord.MemberActor
    bob: simcord.MemberActor

    async def ask(
        self,
        actor: Any = None,
        *,
        command: str = "generate",
        channel: Any = None,
        faults: Faults | None = None,
        **options: Any,
    ) -> Any:
        """Send a request, and run the workers until they are idle.

        `faults` apply to its first queue call. The clock moves by a millisecond, so that later requests have
        later times.
        """
        if faults is not None:
            self.comfydeploy.next_faults(faults)
        given = {"prompt": "a fox", **options}
        result = await (actor or self.alice).slash(channel or self.channel, command, **given)
        await self.play()
        self.clock.move(milliseconds=1)
        return result

    async def made(self, **options: Any) -> discord.Message:
        """Send a request as `ask` does, and return the newest message in the channel."""
        await self.ask(**options)
        return self.messages()[-1]

    async def click(self, message: Any, label: str, actor: Any = None) -> Any:
        """Press a button, as Alice by default, and run the workers."""
        result = await (actor or self.alice).click(message, label=label)
        await self.play()
        return result

    async def release(self) -> None:
        """Let every held run continue, and run the workers."""
        self.comfydeploy.release()
        await self.play()

    async def play(self) -> None:
        """Run the workers until both they and the fake ComfyDeploy are idle."""
        names = ["look", "prune"] if self._time_to_prune() else ["look"]
        rarely = [self.app.workers[name] for name in names if name in self.app.workers]
        often = [worker for name, worker in self.app.workers.items() if name not in ("look", "prune")]
        while True:
            heard = len(self.comfydeploy.call_log.webhook_attempts)
            done = sum([await worker.drain() for worker in often])
            await self.comfydeploy.idle()
            if done or heard != len(self.comfydeploy.call_log.webhook_attempts):
                continue
            if not sum([await worker.drain() for worker in rarely]):
                return

    def _time_to_prune(self) -> bool:
        """Return whether an hour has passed; more is not needed, because retention is counted in days."""
        now, last = self.clock(), self.runner.pruned_at
        if last is not None and now - last < timedelta(hours=1):
            return False
        self.runner.pruned_at = now
        return True

    async def later(self, *, times: int = 1, **parts: float) -> None:
        """Move the clocks of the bot and Discord, and run the workers; do so `times` times."""
        for _ in range(times):
            self.clock.move(**parts)
            await self.env.advance_time(timedelta(**parts).total_seconds())
            await self.play()

    async def restart(self, *, deployments: str | None = None, **changed: Any) -> None:
        """Restart the bot on the same database, with some settings changed.

        `deployments` is the new text of deployments.toml.
        """
        if deployments is not None:
            self.runner.write_deployments(deployments)
        await self.runner.close()
        self.runner.settings = self.runner.settings.model_copy(update=changed)
        self.app = await self.runner.open()
        await self.env.restart_bot(self.app.bot)

    def messages(self, channel: Any = None) -> list[discord.Message]:
        """Return the public messages of a channel, oldest first."""
        found = (channel or self.channel).history(viewer=self.alice)
        return [message for message in found if not message.flags.ephemeral]

    @property
    def database(self) -> Database:
        return self.runner.database

    async def runs(self) -> list[Run]:
        """Return every stored run, oldest first."""
        return await questions.runs(self.database)

    async def audit(self) -> list[AuditEntry]:
        """Return the whole audit log, oldest first."""
        return await questions.audit(self.database)

    async def states(self) -> list[RunState]:
        return [run.state for run in await self.runs()]

    async def keys(self) -> list[str]:
        return [run.key for run in await self.runs()]

    async def run(self) -> Run:
        """Return the only run."""
        (only,) = await self.runs()
        return only

    @property
    def calls(self) -> list[Any]:
        """The queue calls that reached ComfyDeploy."""
        return list(self.comfydeploy.call_log.queue_calls)

    @asynccontextmanager
    async def database_away(self) -> AsyncIterator[None]:
        """Make the database file impossible to open inside the block."""
        assert self.database.file is not None
        await self.app.app.store.close()
        with file_away(self.database.file):
            yield


@asynccontextmanager
async def open_app(
    folder: Path,
    *,
    deployments: str | None = None,
    webhooks: bool = True,
    comfydeploy: FakeComfyDeploy | None = None,
    clock: Clock | None = None,
    executor: Callable[[str, int], Executor] = threads,
    **more: Any,
) -> AsyncIterator[AppRunner]:
    """Start the fake ComfyDeploy and open the app, without connecting to Discord.

    `deployments` is the text of a deployments.toml; by default the picture deployment is the only one. `more`
    are settings by name.
    """
    clock = clock or Clock()
    async with comfydeploy or FakeComfyDeploy(**QUICK, now=clock) as backend:
        port = free_port()
        if deployments is not None:
            path = folder / "deployments.toml"
            path.write_text(deployments, encoding="utf-8")
            more["deployments_file"] = path
        elif "comfydeploy_deployment_id" not in more:
            more["comfydeploy_deployment_id"] = PICTURE_ID
        settings = settings_for(backend, folder, port if webhooks else None, **more)
        runner = AppRunner(settings, clock, port, backend, executor)
        try:
            await runner.open()
            yield runner
        finally:
            await runner.close()


def populate(env: simcord.Env, runner: AppRunner) -> Harness:
    """Create a server with a channel, Alice and Bob."""
    guild = env.create_guild("Studio")
    channel = guild.create_text_channel("pictures")
    alice, bob = (guild.add_member(env.create_user(name)) for name in ("alice", "bob"))
    return Harness(runner.app, env, runner.comfydeploy, runner.clock, runner, guild, channel, alice, bob)


@asynccontextmanager
async def running_bot(folder: Path, **settings: Any) -> AsyncIterator[Harness]:
    """Run the bot in an offline Discord until the end of the block; `settings` are those of `open_app`."""
    async with (
        open_app(folder, **settings) as runner,
        simcord.run(runner.app.bot, settle_timeout=SETTLED_WITHIN) as env,
    ):
        yield populate(env, runner)
