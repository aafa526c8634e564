"""Run the bot as a process between a fake Discord and a fake ComfyDeploy, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from inspect import isawaitable
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp

from bot import cli
from bot.domain.runs import Run
from bot.effects import Effects
from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests import questions
from tests.databases import Database, new_sqlite
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.launch import command, discord_at
from tests.fakediscord.server import FakeDiscord
from tests.harness import QUICK
from tests.logs import own_logging
from tests.ports import free_port

# Discord's 3 seconds would measure the machine.
ANSWER_WITHIN = 60.0
POST = "POST /channels/{channel_id}/messages"
# A test that waits longer than this hangs.
PATIENCE = 90.0
PROJECT = Path(__file__).resolve().parents[2]


def described(**deployments: str) -> str:
    """Return a deployments.toml with a deployment id for each name, and nothing else."""
    return "".join(f'[deployments.{name}]\ndeployment_id = "{id}"\n' for name, id in deployments.items())


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The exit code and the output of an operator's command."""

    code: int
    out: str
    err: str


class BotProcess:
    """A bot that tests start, kill and restart, on a server with one channel and Alice."""

    def __init__(
        self,
        folder: Path,
        discord: FakeDiscord,
        comfydeploy: FakeComfyDeploy,
        more: Mapping[str, str],
        *,
        database: Database | None = None,
    ) -> None:
        self.folder = folder
        self.discord = discord
        self.comfydeploy = comfydeploy
        self.port = free_port()
        self.speed = 1.0
        """How fast time passes for the bot; a change takes effect with its next start."""
        self.epoch = time.time()
        self.more = dict(more)
        self.process: asyncio.subprocess.Process | None = None
        guild = discord.add_guild("Studio")
        self.guild = guild
        self.channel = discord.add_text(guild, "pictures")
        self.alice = discord.add_user("alice", guild)
        self.database = database or Database(new_sqlite(folder))
        (folder / "bot.log").touch()

    @property
    def database_file(self) -> Path:
        return self.folder / "bot.db"

    @property
    def log(self) -> str:
        return (self.folder / "bot.log").read_text(encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """Return the environment of a bot that uses the two fakes."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "DISCORD_TOKEN": self.discord.token,
            "COMFYDEPLOY_API_KEY": self.comfydeploy.api_key,
            "COMFYDEPLOY_API_URL": self.comfydeploy.url,
            "COMFYDEPLOY_DEPLOYMENT_ID": PICTURE_ID,
            "DATABASE_URL": self.database.url,
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "WEB_HOST": "127.0.0.1",
            "WEB_PORT": str(self.port),
            "POLL_INTERVAL_SECONDS": "1",
            "ALLOW_PRIVATE_MEDIA_NETWORKS": "127.0.0.0/8",
            "SUBMIT_GRACE_SECONDS": "3",
            **self.more,
        }

    async def start(self, **more: str) -> None:
        """Start the bot and wait until it is connected and its command is there; `more` are settings.

        A bot that doesn't get there fails the test with its log.
        """
        self.more |= more
        before = self.discord.gateway.identified
        await self.launch()
        assert self.process is not None
        ended = asyncio.ensure_future(self.process.wait())
        connected = asyncio.ensure_future(self._connected(before))
        try:
            await asyncio.wait((ended, connected), return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
            assert connected.done(), f"the bot didn't start:\n{self.log}"
        finally:
            ended.cancel()
            connected.cancel()

    async def _connected(self, before: int) -> None:
        await self.discord.wait_command("generate", within=PATIENCE)
        await self.discord.wait_until(lambda: self.discord.gateway.identified > before, PATIENCE)

    async def launch(self) -> None:
        """Start the process without waiting: it may end before it is connected."""
        self.process = await self.spawn(log=self.folder / "bot.log")

    async def spawn(
        self, *arguments: str, log: Path, env: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """Start `python -m bot arguments` in the bot's folder; its errors are appended to the log."""
        module = "bot"
        if self.speed != 1:
            module, arguments = "tests.e2e.fast_clock", (str(self.speed), repr(self.epoch))
        with log.open("ab") as errors:
            return await asyncio.create_subprocess_exec(
                *command(self.discord.url, module, *arguments),
                env=dict(self.environment() if env is None else env),
                cwd=self.folder,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors,
            )

    async def command(self, *arguments: str, **more: str) -> CommandResult:
        """Run a command, or a start that fails, in this process; `more` are settings for it alone."""
        out, err = StringIO(), StringIO()
        with (
            redirect_stdout(out),
            redirect_stderr(err),
            contextlib.chdir(self.folder),
            discord_at(self.discord.url),
            own_logging(),
        ):
            try:
                async with asyncio.timeout(PATIENCE):
                    code = await cli.main(arguments, self.environment() | more, Effects())
            except SystemExit as end:  # of argparse
                code = int(end.code or 0)
        return CommandResult(code, out.getvalue(), err.getvalue())

    async def metrics(self) -> str:
        """Return the metrics page of the running bot."""
        address = f"http://127.0.0.1:{self.port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            assert answer.status == 200
            return await answer.text()

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def ask(self, **options: Any) -> Interaction:
        """Let Alice send `/generate`."""
        return await self.discord.slash(self.alice, self.channel, "generate", {"prompt": "a fox", **options})

    async def held(self, runs: int = 1) -> None:
        """Wait until the fake ComfyDeploy holds `runs` runs and has reported it.

        Wait for this instead of a status message: on a busy machine the bot may never edit it.
        """
        await self.until(lambda: self.comfydeploy.held >= runs)
        await self.comfydeploy.idle()

    async def until(self, condition: Callable[[], object], within: float = PATIENCE) -> None:
        """Poll for an event outside Discord; `discord.wait_until` needs no polling.

        The condition may be a coroutine function.
        """
        async with asyncio.timeout(within):
            while True:
                found = condition()
                if await found if isawaitable(found) else found:
                    return
                await asyncio.sleep(0.05)

    async def settled(self, within: float = PATIENCE, *, runs: int = 0) -> None:
        """Wait until `runs` requests were accepted, none is in progress and no message is pending."""
        async with asyncio.timeout(within):
            while True:
                await self.comfydeploy.idle()
                accepted, left = await questions.unfinished(self.database)
                if accepted >= runs and not left:
                    return
                await asyncio.sleep(0.05)

    async def runs(self) -> list[Run]:
        """Return all runs, oldest first."""
        return await questions.runs(self.database)

    async def keys(self) -> list[str]:
        """Return the keys of all runs, oldest first."""
        return [run.key for run in await self.runs()]

    async def check_outcomes(self, *, calls: int = 1) -> None:
        """Assert that the channel shows exactly one outcome of each run, and no status message."""
        ids = [message.custom_ids for message in self.discord.messages(self.channel)]
        for key in await self.keys():
            found = [each for each in ids if any(id.startswith("run:") and key in id for id in each)]
            assert len(found) == 1, f"{found}\n{self.log}"
        assert not [each for each in ids if any(id.endswith(":cancel") for id in each)], self.log
        assert len(self.comfydeploy.call_log.queue_calls) <= calls, self.log

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait until the process ends; return its exit code."""
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    def offered(self) -> set[str]:
        """Return the names of the options of `/generate`."""
        command = self.discord.commands.find("generate")
        return {option["name"] for option in command["options"]} if command else set()


async def ready(port: int) -> None:
    """Wait until a process listens and is ready."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE):
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def bot_process(
    folder: Path,
    kind: type[BotProcess] = BotProcess,
    *,
    discord: FakeDiscord | None = None,
    comfydeploy: FakeComfyDeploy | None = None,
    database: Database | None = None,
    **settings: str,
) -> AsyncIterator[BotProcess]:
    """Start the fakes and build a bot process that is not started yet; `settings` are its environment.

    Without a `database`, it has a SQLite file in the folder.
    """
    async with (
        discord or FakeDiscord(rate_limits=False, answer_within=ANSWER_WITHIN) as fake,
        comfydeploy or FakeComfyDeploy(**QUICK | {"webhook_waits": (0.1, 0.2)}) as backend,
    ):
        built = kind(folder, fake, backend, settings, database=database)
        try:
            yield built
            assert not fake.request_log.unknown_routes, "the bot calls what the fake lacks"
        finally:
            if built.process is not None and built.process.returncode is None:
                await built.kill()
