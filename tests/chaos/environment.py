"""The environment of a chaos run: a bot process that is killed and restarted, people, and the two fakes.

The clocks of the bot and of the fake Discord run `SPEED` times as fast as the real one, so a thousand rounds
of retries, leases and deadlines fit into minutes. Sockets, disks and CPUs keep their real speed.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
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
    def __init__(self, home: BotProcess, database: OpenedDatabase) -> None:
        self.home = home
        self.discord, self.comfydeploy, self.database = home.discord, home.comfydeploy, database
        self.kills = 0
        self.failed_starts = 0
        home.speed = SPEED
        _quicken(self.discord.world, home.epoch)
        self.people = [home.alice, *(self.discord.add_user(name, home.guild) for name in ("bob", "carol"))]

    async def start(self) -> None:
        """Start the bot, and wait until it is connected to the gateway or has exited."""
        before = self.discord.gateway.counts["identify"]
        await self.home.launch()
        assert self.home.process is not None
        async with asyncio.timeout(60):
            while self.home.process.returncode is None:
                if self.discord.gateway.counts["identify"] > before and self.discord.gateway.live:
                    return
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        process = self.home.process
        if process is not None and process.returncode is None:
            await self.home.kill()
            self.kills += 1

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
            self.database.proxy.transactions.clear()

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
        """Restart the bot if it couldn't start because of an outage. Raises RuntimeError for other exits."""
        process = self.home.process
        if process is None or process.returncode is None:
            return
        tail = self.home.log[-4000:]
        if process.returncode == 1 and any(why in tail[-400:] for why in _FOR_NOW):
            self.failed_starts += 1
        elif process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"the bot ended with {process.returncode}\n{tail}")
        await self.start()

    def log_lines(self, key: str, lines: int = 60) -> list[str]:
        """Return the bot's log lines with a run's key, and its errors."""
        marks = (key, "Traceback", " ERROR ")
        return [line for line in self.home.log.splitlines() if any(mark in line for mark in marks)][-lines:]


def _quicken(world: World, epoch: float) -> None:
    """Make Discord's clock fast, and its ids, which contain the time."""
    clock = QuickClock(epoch)
    serial = iter(range(1, 1 << 60))
    world.clock = clock

    def snowflake() -> int:
        return ((int(clock.now() * 1000) - DISCORD_EPOCH_MS) << 22) | next(serial) % (1 << 22)

    world.snowflake = snowflake  # type: ignore[method-assign]  # for this world only


@asynccontextmanager
async def environment(folder: Path, database: OpenedDatabase) -> AsyncIterator[Environment]:
    deployment = replace(picture(), concurrency_limit=AT_ONCE)
    async with (
        FakeDiscord(rate_limits=False, answer_within=ANSWER_WITHIN) as discord,
        FakeComfyDeploy(
            deployments=[deployment], webhook_waits=(0.05, 0.1), picture_scale=1 / 8
        ) as comfydeploy,
    ):
        await migrate(database.direct)
        settings = {"SUBMIT_GRACE_SECONDS": "8", "RUN_DEADLINE_SECONDS": "40"}
        built = Environment(BotProcess(folder, discord, comfydeploy, settings, database=database), database)
        try:
            yield built
        finally:
            await built.kill()
