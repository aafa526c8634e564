"""The bot as a process of its own, between a fake Discord and a stand-in ComfyDeploy, all on real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp

from demo.standin import Faults, StandIn
from demo.standin.deployments import PICTURE_ID
from tests.fakediscord import Channel, FakeDiscord, Message
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.launch import command
from tests.harness import free_port

OPEN = (
    "SELECT count(*) AS left_open FROM runs"
    " WHERE state IN ('waiting', 'submitting', 'queued', 'running', 'uploading')"
    " UNION ALL SELECT count(*) FROM deliveries WHERE state = 'pending'"
)
# Discord's 3 seconds would be a test of the machine's speed; `test_discord_faults` has what they are about.
PATIENCE = 30.0
PROJECT = Path(__file__).resolve().parents[2]


def bot_environment(discord: FakeDiscord, standin: StandIn, database_url: str, port: int) -> dict[str, str]:
    """Of a bot between the two that listens on `port`."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "DISCORD_TOKEN": discord.token,
        "COMFYDEPLOY_API_KEY": standin.api_key,
        "COMFYDEPLOY_API_URL": standin.url,
        "COMFYDEPLOY_DEPLOYMENT_ID": PICTURE_ID,
        "DATABASE_URL": database_url,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "WEB_HOST": "127.0.0.1",
        "WEB_PORT": str(port),
        "POLL_INTERVAL_SECONDS": "1",
        "ALLOW_PRIVATE_MEDIA_HOSTS": "true",
    }


@dataclass(frozen=True, slots=True)
class Said:
    """What a command of the operator's wrote, and its exit code."""

    code: int
    out: str
    err: str


class BotProcess:
    """One server, one channel, Alice, and a bot that may die."""

    def __init__(self, folder: Path, discord: FakeDiscord, standin: StandIn, more: Mapping[str, str]) -> None:
        self.folder = folder
        self.discord = discord
        self.standin = standin
        self.port = free_port()
        self.speed = 1.0
        """How fast time passes for the bot; changes hold from its next start on."""
        self.epoch = time.time()
        self.more = dict(more)
        self.process: asyncio.subprocess.Process | None = None
        guild = discord.add_guild("Studio")
        self.guild = guild
        self.channel = discord.add_text(guild, "pictures")
        self.alice = discord.add_user("alice", guild)

    @property
    def database(self) -> Path:
        return self.folder / "bot.db"

    @property
    def log(self) -> str:
        return (self.folder / "bot.log").read_text(encoding="utf-8")

    def environment(self) -> dict[str, str]:
        url = f"sqlite+aiosqlite:///{self.database}"
        told = bot_environment(self.discord, self.standin, url, self.port)
        return {**told, "SUBMIT_GRACE_SECONDS": "3", **self.more}

    async def start(self, *, die_at: str | None = None, ahead: float = 0, **more: str) -> None:
        """Until the bot is connected and its command is there; `more` are settings from now on."""
        self.more |= more
        before = self.discord.gateway.counts["identify"]
        await self.launch(die_at=die_at, ahead=ahead)
        await self.discord.wait_command("generate", within=30)
        await self.discord.wait_until(lambda: self.discord.gateway.counts["identify"] > before, within=30)

    async def launch(self, *, die_at: str | None = None, ahead: float = 0) -> None:
        """The process alone, which may die before it is connected.

        `die_at` and `ahead` (seconds): see `tests.e2e.run_and_kill`.
        """
        own = [*([die_at] if die_at else []), *(["--ahead", str(ahead)] if ahead else [])]
        if self.speed != 1:
            own += ["--speed", str(self.speed), "--epoch", repr(self.epoch)]
        module = ("tests.e2e.run_and_kill", *own) if own else ("bot",)
        with (self.folder / "bot.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command(self.discord.url, *module), env=self.environment(), cwd=self.folder, stderr=log
            )

    async def command(self, *arguments: str, **more: str) -> Said:
        """`python -m bot …` beside the bot or without it, until it ends; `more` are settings for it alone."""
        process = await asyncio.create_subprocess_exec(
            *command(self.discord.url, "bot", *arguments),
            env=self.environment() | more,
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return Said(process.returncode or 0, out.decode(), err.decode())

    async def metrics(self) -> str:
        """The metrics page of the running bot."""
        address = f"http://127.0.0.1:{self.port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            assert answer.status == 200
            return await answer.text()

    async def died(self) -> None:
        """The bot has killed itself."""
        assert self.process is not None
        code = await asyncio.wait_for(self.process.wait(), 30)
        assert code == -signal.SIGKILL, f"it ended with {code}\n{self.log}"

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), 60)

    async def ask(self, **options: Any) -> Interaction:
        """Alice sends `/generate`."""
        return await self.discord.slash(self.alice, self.channel, "generate", {"prompt": "a fox", **options})

    async def run_under_way(self) -> Interaction:
        """The bot's first request, generated until `standin.release`."""
        self.standin.faults = Faults(hold_at="running")
        await self.start()
        asking = await self.ask()
        await self.discord.wait_until(lambda: "Generating" in asking.text)
        return asking

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)) as connection:
            return connection.execute(query).fetchall()

    async def until(self, condition: Callable[[], object], within: float = 30) -> None:
        """For what happens outside Discord; `discord.wait_until` needs no polling."""
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110  # another process's doings set no Event here
                await asyncio.sleep(0.02)

    async def settled(self, within: float = 30, *, runs: int = 0) -> None:
        """No request is open and no message is owed; `runs` requests have been accepted."""
        async with asyncio.timeout(within):
            while True:
                await self.standin.idle()
                ((accepted,),) = self.rows("SELECT count(*) FROM runs")
                if accepted >= runs and not any(count for (count,) in self.rows(OPEN)):
                    return
                await asyncio.sleep(0.05)

    def write(self, statement: str) -> None:
        with closing(sqlite3.connect(self.database, timeout=5)) as connection, connection:
            connection.execute(statement)

    def outcomes(self, key: str, channel: Channel | None = None) -> list[Message]:
        """What Alice sees of a run that is an end: its messages that no longer offer Cancel."""
        found = []
        for message in self.discord.messages(channel or self.channel):
            ids = [item for item in message.custom_ids if key in item]
            if ids and not any(item.endswith(":cancel") for item in ids):
                found.append(message)
        return found

    def leftovers(self) -> list[Message]:
        """Status messages that still claim to be on their way."""
        return [
            message
            for message in self.discord.messages(self.channel)
            if message.loading or any(item.endswith(":cancel") for item in message.custom_ids)
        ]


@asynccontextmanager
async def bot_process(
    folder: Path,
    *,
    standin: StandIn | None = None,
    rate_limits: bool = False,
    settings: Mapping[str, str] = MappingProxyType({}),
    **more: str,
) -> AsyncIterator[BotProcess]:
    """`settings` and `more` alike are the bot's environment."""
    async with (
        FakeDiscord(rate_limits=rate_limits, answer_within=PATIENCE) as discord,
        standin or StandIn(webhook_waits=(0.1, 0.2)) as backend,
    ):
        built = BotProcess(folder, discord, backend, {**settings, **more})
        try:
            yield built
            assert not discord.request_log.unknown_routes, "the bot calls what the fake lacks"
        finally:
            if built.process is not None and built.process.returncode is None:
                await built.kill()
