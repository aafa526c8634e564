"""The bot as one or several processes on a fast clock, which are killed, replaced and started again.

The clocks of the bot and of the fake Discord run `SPEED` times as fast as the real one, so retries and leases
take seconds. Sockets, disks and CPUs keep their real speed.
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
from tests.e2e.bot_process import BotProcess, bot_process
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Clock

SPEED = 8.0
# Discord's three seconds, on the fast clock: a busy machine needs real time.
ANSWER_WITHIN = 3.0 * SPEED
_AT_ONCE = 8
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
        self._epoch = epoch

    def now(self) -> float:
        return self._epoch + (time.time() - self._epoch) * SPEED


class Processes:
    """The bot's processes, which `home` describes, beside the fakes; each shard has a server."""

    def __init__(
        self, home: BotProcess, database: OpenedDatabase, layout: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.home = home
        self.discord, self.comfydeploy, self.database = home.discord, home.comfydeploy, database
        self.kills = 0
        self._layout = layout
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        home.speed = SPEED
        self.discord.world.clock = QuickClock(home.epoch)
        shards = 1 if layout is ALONE else 2
        self.discord.shards = shards
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
        before = self.discord.gateway.identified
        waits = 0
        for name, settings in self._layout.items():
            if name not in self.running:
                env = self.home.environment() | dict(settings)
                self._processes[name] = await self.home.spawn(env=env, log=self._log(name))
                waits += "gateway" in settings.get("ROLES", "gateway")
        await self.connected(before + waits)

    async def connected(self, identified: int = 0) -> None:
        """Wait until all shards are connected after so many identifications, or until a process exits."""
        gateway = self.discord.gateway
        async with asyncio.timeout(120):
            while len(self.running) == len(self._layout):
                live = {session.shard[0] for session in gateway.live}
                if gateway.identified >= identified and len(live) == len(self.guilds):
                    return
                await asyncio.sleep(0.01)

    async def kill(self, chance: random.Random) -> None:
        """Kill a process with SIGKILL, and start it again."""
        for name in chance.sample(self.running, 1) if self.running else ():
            await self._end(name, signal.SIGKILL)
            self.kills += 1
            await self.start()

    async def replace_all(self) -> None:
        """Replace the processes one by one, as an upgrade does."""
        for name in self.running:
            await self._end(name, signal.SIGTERM)
            await self.watch()

    async def _end(self, name: str, number: signal.Signals) -> None:
        process = self._processes[name]
        process.send_signal(number)
        await process.wait()

    async def watch(self) -> None:
        """Restart processes that couldn't start because of an outage. Raises RuntimeError for other exits."""
        ended = [name for name in self._processes if name not in self.running]
        for name in ended:
            tail = self._log(name).read_text(encoding="utf-8")[-4000:]
            code = self._processes[name].returncode
            is_for_now = code == 1 and any(why in tail[-400:] for why in _FOR_NOW)
            if not is_for_now and code not in (-signal.SIGKILL, -signal.SIGTERM, 0):
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


@asynccontextmanager
async def processes(
    folder: Path, database: OpenedDatabase, layout: Mapping[str, Mapping[str, str]]
) -> AsyncIterator[Processes]:
    discord = FakeDiscord(rate_limits=False, answer_within=ANSWER_WITHIN)
    deployment = replace(picture(), concurrency_limit=_AT_ONCE)
    comfydeploy = FakeComfyDeploy(deployments=[deployment], webhook_waits=(0.05, 0.1), picture_scale=1 / 8)
    await migrate(database.direct)
    async with bot_process(
        folder,
        discord=discord,
        comfydeploy=comfydeploy,
        database=database,
        SUBMIT_GRACE_SECONDS="8",
        RUN_DEADLINE_SECONDS="40",
    ) as home:
        built = Processes(home, database, layout)
        try:
            yield built
        finally:
            await built.close()
