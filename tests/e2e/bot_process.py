"""Run the bot as a process between a fake Discord and a fake ComfyDeploy, on real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from inspect import isawaitable
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp

from bot.domain.settings.rules_and_defaults import ServerRules
from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests import questions
from tests.databases import Database, new_sqlite
from tests.e2e import fork_server
from tests.e2e.fork_server import ForkedProcess
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.launch import command
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, Message, User
from tests.harness import QUICK
from tests.ports import free_port
from tests.questions import Run

# Discord's 3 seconds would measure the machine; `test_discord_faults` tests what follows from them.
ANSWER_WITHIN = 60.0
POST = "POST /channels/{channel_id}/messages"
# A test that waits longer than this hangs.
PATIENCE = 90.0
PROJECT = Path(__file__).resolve().parents[2]


def bot_environment(
    discord: FakeDiscord, comfydeploy: FakeComfyDeploy, database_url: str, port: int
) -> dict[str, str]:
    """Return the environment of a bot that listens on `port` and uses the two fakes."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "DISCORD_TOKEN": discord.token,
        "COMFYDEPLOY_API_KEY": comfydeploy.api_key,
        "COMFYDEPLOY_API_URL": comfydeploy.url,
        "COMFYDEPLOY_DEPLOYMENT_ID": PICTURE_ID,
        "DATABASE_URL": database_url,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "WEB_HOST": "127.0.0.1",
        "WEB_PORT": str(port),
        "POLL_INTERVAL_SECONDS": "1",
        "ALLOW_PRIVATE_MEDIA_NETWORKS": "127.0.0.0/8",
    }


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The exit code and the output of an operator's command."""

    code: int
    out: str
    err: str


class BotProcess:
    """A bot that tests start, kill and restart, on a server with one channel and Alice.

    With `cold`, every start is a `python -m` instead of a fork of a process that has imported the bot.
    """

    def __init__(
        self,
        folder: Path,
        discord: FakeDiscord,
        comfydeploy: FakeComfyDeploy,
        more: Mapping[str, str],
        *,
        database: Database | None = None,
        cold: bool = False,
    ) -> None:
        self.folder = folder
        self.discord = discord
        self.comfydeploy = comfydeploy
        self.cold = cold
        self.port = free_port()
        self.speed = 1.0
        """How fast time passes for the bot; a change takes effect with its next start."""
        self.epoch = time.time()
        self.more = dict(more)
        self.process: ForkedProcess | asyncio.subprocess.Process | None = None
        guild = discord.add_guild("Studio")
        self.guild = guild
        self.channel = discord.add_text(guild, "pictures")
        self.alice = discord.add_user("alice", guild)
        self.database = database or Database(new_sqlite(folder))
        (folder / "bot.log").touch()
        self._numbers = count()

    @property
    def database_file(self) -> Path:
        return self.folder / "bot.db"

    @property
    def log(self) -> str:
        return (self.folder / "bot.log").read_text(encoding="utf-8")

    def environment(self) -> dict[str, str]:
        given = bot_environment(self.discord, self.comfydeploy, self.database.url, self.port)
        return {**given, "SUBMIT_GRACE_SECONDS": "3", **self.more}

    async def start(self, *, die_at: str | None = None, ahead: float = 0, **more: str) -> None:
        """Start the bot and wait until it is connected and its command is there; `more` are settings.

        A bot that doesn't get there fails the test with its log.
        """
        self.more |= more
        before = self.discord.gateway.counts["identify"]
        await self.launch(die_at=die_at, ahead=ahead)
        assert self.process is not None
        ended = asyncio.ensure_future(self.process.wait())
        connected = asyncio.ensure_future(self._connected(before))
        try:
            await asyncio.wait((ended, connected), return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
            # A bot that is to die may do so before it is connected.
            assert connected.done() or (die_at and ended.done()), f"the bot didn't start:\n{self.log}"
        finally:
            ended.cancel()
            connected.cancel()

    async def _connected(self, before: int) -> None:
        await self.discord.wait_command("generate", within=PATIENCE)
        await self.discord.wait_until(lambda: self.discord.gateway.counts["identify"] > before, PATIENCE)

    async def launch(self, *, die_at: str | None = None, ahead: float = 0) -> None:
        """Start the process without waiting: it may die before it is connected.

        `die_at` and `ahead` (seconds): see `tests.e2e.run_and_kill`.
        """
        self.process = await self.spawn(die_at=die_at, ahead=ahead, err=self.folder / "bot.log")

    async def spawn(
        self,
        *arguments: str,
        err: Path,
        out: Path | None = None,
        env: Mapping[str, str] | None = None,
        die_at: str | None = None,
        ahead: float = 0,
    ) -> ForkedProcess | asyncio.subprocess.Process:
        """Start `python -m bot arguments` in the bot's folder; its output is appended to the files."""
        own = [*([die_at] if die_at else []), *(["--ahead", str(ahead)] if ahead else [])]
        if self.speed != 1:
            own += ["--speed", str(self.speed), "--epoch", repr(self.epoch)]
        module, arguments = (
            ("tests.e2e.run_and_kill", (*own, "--bot", *arguments)) if own else ("bot", arguments)
        )
        env = self.environment() if env is None else env
        if not self.cold:
            url = self.discord.url
            return await fork_server.start(
                url, module, *arguments, env=env, cwd=self.folder, out=out, err=err
            )
        with err.open("ab") as errors, (out or Path(os.devnull)).open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *command(self.discord.url, module, *arguments),
                env=dict(env),
                cwd=self.folder,
                stdout=output,
                stderr=errors,
            )

    async def command(self, *arguments: str, **more: str) -> CommandResult:
        """Run `python -m bot …` until it ends; `more` are settings for it alone."""
        out, err = (self.folder / f"{name}-{next(self._numbers)}" for name in ("out", "err"))
        process = await self.spawn(*arguments, env=self.environment() | more, out=out, err=err)
        code = await asyncio.wait_for(process.wait(), PATIENCE)
        return CommandResult(code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))

    async def metrics(self) -> str:
        """Return the metrics page of the running bot."""
        address = f"http://127.0.0.1:{self.port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            assert answer.status == 200
            return await answer.text()

    async def died(self) -> None:
        """Wait until the bot has killed itself."""
        code = await self.ended()
        assert code == -signal.SIGKILL, f"it ended with {code}\n{self.log}"

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

    async def run_under_way(self) -> Interaction:
        """Start the bot and let Alice ask for a run, which is held until `comfydeploy.release`."""
        self.comfydeploy.faults = Faults(hold_at="running")
        await self.start()
        asking = await self.ask()
        await self.held()
        return asking

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
                left = await questions.unsettled(self.database)
                if left.accepted >= runs and not left.in_progress:
                    return
                await asyncio.sleep(0.05)

    async def set_rules(self, **rules: Any) -> None:
        """Replace the server's rules; the bot need not run."""
        wanted = ServerRules.model_validate(rules).model_dump(mode="json")
        await questions.insert_rules(self.database, self.guild.id, wanted)

    async def runs(self) -> list[Run]:
        """Return all runs, oldest first."""
        return await questions.runs(self.database)

    async def keys(self) -> list[str]:
        """Return the keys of all runs, oldest first."""
        return [run.key for run in await self.runs()]

    async def states(self) -> list[str]:
        """Return the states of all runs, oldest first."""
        return [run.state for run in await self.runs()]

    async def messages(self) -> list[questions.Message]:
        """Return the messages that the bot owes, as its database has them."""
        return await questions.messages(self.database)

    async def outcome(self) -> Message:
        """Return the only outcome of the only run."""
        (key,) = await self.keys()
        outcomes = self.outcomes(key)
        assert len(outcomes) == 1, self.log
        return outcomes[0]

    async def check_outcomes(self, *places: Channel, calls: int = 1, leftovers: bool = False) -> None:
        """Check that each run has one outcome, here or in `places`, and no status message is left."""
        for key in await self.keys():
            found = [message for place in (self.channel, *places) for message in self.outcomes(key, place)]
            assert len(found) == 1, f"{[message.text for message in found]}\n{self.log}"
        assert len(self.comfydeploy.call_log.queue_calls) <= calls, self.log
        assert leftovers or not self.leftovers(), self.log

    async def cancel(self, asking: Interaction) -> None:
        """Let Alice press Cancel under a status message."""
        await self.discord.wait_until(lambda: asking.original is not None and asking.original.custom_ids)
        assert asking.original is not None
        await self.discord.click(self.alice, asking.original, "Cancel")

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait until the process ends; return its exit code."""
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    def outcomes(self, key: str, channel: Channel | None = None, viewer: User | None = None) -> list[Message]:
        """Return the outcomes of a run that everybody sees: its messages without a Cancel button.

        Further messages of an outcome have only numbers. With a `viewer`, also the ephemeral ones that this
        person sees.
        """
        found = []
        for message in self.discord.messages(channel or self.channel, viewer):
            ids = [item for item in message.custom_ids if key in item]
            is_first = any(item.startswith("run:") for item in message.custom_ids)
            if ids and is_first and not any(item.endswith(":cancel") for item in ids):
                found.append(message)
        return found

    def leftovers(self) -> list[Message]:
        """Return status messages that still show a run in progress."""
        return [
            message
            for message in self.discord.messages(self.channel)
            if message.loading or any(item.endswith(":cancel") for item in message.custom_ids)
        ]


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
    *,
    comfydeploy: FakeComfyDeploy | None = None,
    rate_limits: bool = False,
    database: Database | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    cold: bool = False,
    **more: str,
) -> AsyncIterator[BotProcess]:
    """Start the fakes and build a bot process that is not started yet; `settings` and `more` are its
    environment. Without a `database`, it has a SQLite file in the folder.
    """
    async with (
        FakeDiscord(rate_limits=rate_limits, answer_within=ANSWER_WITHIN) as discord,
        comfydeploy or FakeComfyDeploy(**QUICK | {"webhook_waits": (0.1, 0.2)}) as backend,
    ):
        built = BotProcess(folder, discord, backend, {**settings, **more}, database=database, cold=cold)
        try:
            yield built
            assert not discord.request_log.unknown_routes, "the bot calls what the fake lacks"
        finally:
            if built.process is not None and built.process.returncode is None:
                await built.kill()
