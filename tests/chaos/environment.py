"""The environment of a chaos run: a bot process that is killed and restarted, people, and the two fakes.

The clocks of the bot and of the fake Discord run `SPEED` times as fast as the real one, so a thousand rounds
of retries, leases and deadlines fit into minutes. Sockets, disks and CPUs keep their real speed.
"""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from demo.fake_comfydeploy.deployments import picture
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.chaos.database import OpenedDatabase
from tests.chaos.servers import Servers
from tests.databases import migrate
from tests.e2e.bot_process import bot_environment
from tests.e2e.fast_clock import Jumps
from tests.fakediscord.launch import command
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import DISCORD_EPOCH_MS, Clock, World
from tests.questions import is_paused

SPEED = 8.0
# Discord's three seconds, on the fast clock: a busy machine needs real time.
ANSWER_WITHIN = 3.0 * SPEED
AT_ONCE = 8
WAITS = (0.05, 0.1)
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
    def __init__(
        self, folder: Path, discord: FakeDiscord, comfydeploy: FakeComfyDeploy, database: OpenedDatabase
    ) -> None:
        self.folder = folder
        self.discord = discord
        self.comfydeploy = comfydeploy
        self.database = database
        self.jumps = Jumps(folder / "jumps")
        self.kills = 0
        self.failed_starts = 0
        self.epoch = time.time()
        self.process: asyncio.subprocess.Process | None = None
        self._port = _lasting_port()
        _quicken(discord.world, self.epoch)
        self.servers = Servers(discord)
        self.guild, self.people = self.servers.ordinary, self.servers.people

    @property
    def log_path(self) -> Path:
        return self.folder / "bot.log"

    def environment(self) -> dict[str, str]:
        told = bot_environment(self.discord, self.comfydeploy, self.database.url, self._port)
        return {**told, "SUBMIT_GRACE_SECONDS": "8", "RUN_DEADLINE_SECONDS": "40"}

    async def start(self, die_at: str | None = None) -> None:
        """Start the bot, and wait until it is connected to the gateway or has exited."""
        before = self.discord.gateway.counts["identify"]
        point = [die_at] if die_at else []
        more = ["--speed", str(SPEED), "--epoch", repr(self.epoch), "--jumps", str(self.folder / "jumps")]
        with self.log_path.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command(self.discord.url, "tests.e2e.run_and_kill", *point, *more),
                env=self.environment(),
                cwd=self.folder,
                stderr=log,
            )
        async with asyncio.timeout(60):
            while self.process.returncode is None:
                if self.discord.gateway.counts["identify"] > before and self.discord.gateway.live:
                    return
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        self.process.kill()
        await self.process.wait()
        self.kills += 1

    def jump(self, seconds: float) -> None:
        """Move the clocks of the bot and of Discord forward."""
        self.discord.messages_service.keep_nonces_in_use(seconds)
        self.jumps.jump(seconds)
        self.discord.world.clock.advance(seconds)

    def heal(self) -> None:
        """Stop all faults except those of runs."""
        self.discord.faults.clear()
        if self.database.proxy is not None:
            self.database.proxy.heal()
            self.database.proxy.transactions.clear()

    async def calm(self) -> None:
        """Restart a killed bot, end a pause, approve open review cards, and release held runs."""
        await self.watch()
        # A busy machine may store a pause after it has answered `/resume`.
        if self.servers.may_be_paused or await is_paused(self.database):
            await self.servers.resume()
        await self.servers.decide_the_rest()
        self.let_go()

    def let_go(self) -> None:
        """Release each held run after its time, which for some is past the bot's deadline."""
        now = self.comfydeploy.world.now()
        for run in self.comfydeploy.runs:
            timeout = 0.5 + 7.5 * int(run.id[:2], 16) / 255
            if run.released.is_waited_for and (now - run.created_at).total_seconds() > timeout:
                self.comfydeploy.release(run.id)

    async def watch(self) -> None:
        """Restart the bot if it died at its kill point or couldn't start because of an outage.

        Raises RuntimeError for any other exit.
        """
        if self.process is None or self.process.returncode is None:
            return
        tail = self.log_path.read_text(encoding="utf-8", errors="replace")[-4000:]
        if self.process.returncode == 1 and any(why in tail[-400:] for why in _FOR_NOW):
            self.failed_starts += 1
        elif self.process.returncode == -signal.SIGKILL:
            self.kills += 1
        else:
            raise RuntimeError(f"the bot ended with {self.process.returncode}\n{tail}")
        await self.start()

    def log_lines(self, key: str, lines: int = 60) -> list[str]:
        """Return the bot's log lines with a run's key, and its errors."""
        marks = (key, "Traceback", " ERROR ")
        text = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in text if any(mark in line for mark in marks)][-lines:]


def _lasting_port() -> int:
    """Return a free port below those that the system gives to outgoing connections."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _quicken(world: World, epoch: float) -> None:
    """Make Discord's clock fast, and its ids, which contain the time."""
    clock = QuickClock(epoch)
    serial = iter(range(1, 1 << 60))
    world.clock = clock

    def snowflake() -> int:
        return ((int(clock.now() * 1000) - DISCORD_EPOCH_MS) << 22) | next(serial) % (1 << 22)

    world.snowflake = snowflake  # type: ignore[method-assign]  # for this world only


@asynccontextmanager
async def environment(folder: Path, database: OpenedDatabase, seed: int) -> AsyncIterator[Environment]:
    async with (
        FakeDiscord(rate_limits=False, seed=seed, answer_within=ANSWER_WITHIN) as discord,
        FakeComfyDeploy(
            deployments=[replace(picture(), concurrency_limit=AT_ONCE)],
            webhook_waits=WAITS,
            picture_scale=1 / 8,
        ) as comfydeploy,
    ):
        built = Environment(folder, discord, comfydeploy, database)
        await migrate(database.direct)
        await built.servers.store_rules(database)
        try:
            yield built
        finally:
            await built.kill()
