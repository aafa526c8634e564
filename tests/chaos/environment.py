"""The environment of a chaos run: processes of the bot, people, and the two fakes.

The clocks of the bot and of the fake Discord run `SPEED` times as fast as the real one, so a thousand rounds
of retries, leases and deadlines fit into minutes. Sockets, disks and CPUs keep their real speed.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from demo.fake_comfydeploy.deployments import picture
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.chaos.database import OpenedDatabase
from tests.databases import migrate
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import DISCORD_EPOCH_MS, Clock, World

SPEED = 8.0
# Discord's three seconds, on the fast clock: a busy machine needs real time.
ANSWER_WITHIN = 3.0 * SPEED
AT_ONCE = 8
_SHARDS = {"SHARD_COUNT": "2", "WEB_PORT": "0"}
# The bot as one process, or as several, which need PostgreSQL: settings by the process's name.
ALONE: Mapping[str, Mapping[str, str]] = {"bot": {}}
SEVERAL: Mapping[str, Mapping[str, str]] = {
    "gateway-0": {"ROLES": "gateway", "SHARD_IDS": "0", **_SHARDS},
    "gateway-1": {"ROLES": "gateway", "SHARD_IDS": "1", **_SHARDS},
    "web": {"ROLES": "web"},
    "messenger-0": {"ROLES": "messenger", "WEB_PORT": "0"},
    "messenger-1": {"ROLES": "messenger", "WEB_PORT": "0"},
    "reconcile": {"ROLES": "messenger,reconcile", "WEB_PORT": "0"},
}
# Last log lines of a bot that a supervisor would start again.
_FOR_NOW = ("The database doesn't answer", "PostgreSQL can't be reached", "Discord can't be reached")


class QuickClock(Clock):
    """Discord's clock, which runs `SPEED` times as fast as the real one."""

    def __init__(self, epoch: float) -> None:
        super().__init__()
        self._epoch = epoch

    def now(self) -> float:
        return self._epoch + (time.time() - self._epoch) * SPEED + self._ahead


class Environment:
    """The bot's processes, which `home` describes, beside the fakes; each shard has a server."""

    def __init__(
        self, home: BotProcess, database: OpenedDatabase, layout: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.home = home
        self.discord, self.comfydeploy, self.database = home.discord, home.comfydeploy, database
        self.kills = 0
        self.failed_starts = 0
        self._layout = layout
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        home.speed = SPEED
        _quicken(self.discord.world, home.epoch)
        shards = 1 if layout is ALONE else 2
        self.discord.routes.shards = shards
        self.guilds = [
            self.discord.add_guild(f"server {shard}", shard=shard, shards=shards) for shard in range(shards)
        ]
        self.people = [self.discord.add_user(name) for name in ("alice", "bob", "carol")]
        for guild in self.guilds:
            for person in self.people:
                self.discord.join(guild, person)

    @property
    def running(self) -> list[str]:
        return [name for name, process in self._processes.items() if process.returncode is None]

    async def start(self) -> None:
        """Start the processes that don't run, and wait until all shards are connected or a process exits."""
        before = self.discord.gateway.counts["identify"]
        waits = 0
        for name, settings in self._layout.items():
            if name not in self.running:
                env = self.home.environment() | dict(settings)
                self._processes[name] = await self.home.spawn(env=env, log=self._log(name))
                waits += "gateway" in settings.get("ROLES", "gateway")
        async with asyncio.timeout(120):
            while len(self.running) == len(self._layout):
                if self._is_connected(before + waits):
                    return
                await asyncio.sleep(0.01)

    def _is_connected(self, identified: int) -> bool:
        gateway = self.discord.gateway
        live = {session.shard[0] for session in gateway.live}
        return gateway.counts["identify"] >= identified and len(live) == len(self.guilds)

    async def kill(self, chance: random.Random) -> None:
        """Send SIGKILL to a process."""
        for name in chance.sample(self.running, 1) if self.running else ():
            await self._end(name, signal.SIGKILL)
            self.kills += 1

    async def replace_all(self) -> None:
        """Replace the processes one by one, as an upgrade does."""
        for name in self.running:
            await self._end(name, signal.SIGTERM)
            await self.watch()

    async def _end(self, name: str, number: signal.Signals) -> None:
        process = self._processes[name]
        process.send_signal(number)
        await process.wait()

    def jump(self, seconds: float) -> None:
        """Move the clocks of the bot and of Discord forward."""
        self.discord.messages_service.keep_nonces_in_use(seconds)
        self.home.jumps.jump(seconds)
        self.discord.world.clock.advance(seconds)

    def heal(self) -> None:
        """Stop all faults except those of runs."""
        self.discord.faults.clear()
        if self.database.proxy is not None:
            self.database.proxy.heal()

    async def calm(self) -> None:
        """Restart a bot that couldn't start, and release each held run after its time.

        For some runs that is past the bot's deadline. Raises RuntimeError if the bot has ended by itself.
        """
        await self.watch()
        now = self.comfydeploy.world.now()
        for run in self.comfydeploy.runs:
            timeout = 0.5 + 7.5 * int(run.id[:2], 16) / 255
            if run.released.is_waited_for and (now - run.created_at).total_seconds() > timeout:
                self.comfydeploy.release(run.id)

    async def watch(self) -> None:
        """Restart processes that couldn't start because of an outage. Raises RuntimeError for other exits."""
        ended = [name for name in self._processes if name not in self.running]
        for name in ended:
            tail = self._log(name).read_text(encoding="utf-8")[-4000:]
            code = self._processes[name].returncode
            if code == 1 and any(why in tail[-400:] for why in _FOR_NOW):
                self.failed_starts += 1
            elif code not in (-signal.SIGKILL, -signal.SIGTERM, 0):
                raise RuntimeError(f"{name} ended with {code}\n{tail}")
        if ended:
            await self.start()

    def log_lines(self, key: str, lines: int = 60) -> list[str]:
        """Return the log lines with a run's key, and the errors."""
        marks = (key, "Traceback", " ERROR ")
        found = [
            f"{line} [{name}]"
            for name in self._processes
            for line in self._log(name).read_text(encoding="utf-8").splitlines()
            if any(mark in line for mark in marks)
        ]
        return sorted(found)[-lines:]

    def _log(self, name: str) -> Path:
        return self.home.folder / f"{name}.log"

    async def close(self) -> None:
        for name in self.running:
            await self._end(name, signal.SIGKILL)


def _quicken(world: World, epoch: float) -> None:
    """Make Discord's clock fast, and its ids, which contain the time."""
    clock = QuickClock(epoch)
    serial = iter(range(1, 1 << 60))
    world.clock = clock

    def snowflake() -> int:
        return ((int(clock.now() * 1000) - DISCORD_EPOCH_MS) << 22) | next(serial) % (1 << 22)

    world.snowflake = snowflake  # type: ignore[method-assign]  # for this world only


@asynccontextmanager
async def environment(
    folder: Path, database: OpenedDatabase, layout: Mapping[str, Mapping[str, str]]
) -> AsyncIterator[Environment]:
    deployment = replace(picture(), concurrency_limit=AT_ONCE)
    async with (
        FakeDiscord(rate_limits=False, answer_within=ANSWER_WITHIN) as discord,
        FakeComfyDeploy(
            deployments=[deployment], webhook_waits=(0.05, 0.1), picture_scale=1 / 8
        ) as comfydeploy,
    ):
        await migrate(database.direct)
        settings = {"SUBMIT_GRACE_SECONDS": "8", "RUN_DEADLINE_SECONDS": "40"}
        home = BotProcess(folder, discord, comfydeploy, settings, database=database)
        built = Environment(home, database, layout)
        try:
            yield built
        finally:
            await built.close()
