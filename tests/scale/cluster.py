"""The environment of a scale run: a process for each role, and people on servers of every shard."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from demo.fake_comfydeploy.deployments import picture
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.chaos.database import opened
from tests.databases import Database
from tests.e2e.bot_process import bot_environment, ready
from tests.fakediscord.launch import command
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, User
from tests.ports import free_port

SHARDS = 4
CHANNELS = 12  # of each server
AT_ONCE = 60
# Seconds, more than Discord's three, because all processes and fakes may share two cores.
ANSWER_WITHIN = 10.0
SETTINGS = {"DATABASE_POOL_SIZE": "6", "POLL_INTERVAL_SECONDS": "2", "SUBMIT_GRACE_SECONDS": "15"}
SECRETS = {"DISCORD_TOKEN", "COMFYDEPLOY_API_KEY", "COMFYDEPLOY_API_URL"}


class Member:
    """A process of the bot with its settings."""

    process: asyncio.subprocess.Process

    def __init__(self, name: str, settings: dict[str, str], folder: Path) -> None:
        self.name = name
        self.settings = settings
        self.log = folder / f"{name}.log"

    async def start(self, url: str) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command(url, "bot"), env=self.settings, cwd=self.log.parent, stderr=log
            )

    async def end(self, number: signal.Signals) -> None:
        """Send SIGKILL or SIGTERM, and wait. Raises RuntimeError if the process ends in another way."""
        self.check_alive()
        self.process.send_signal(number)
        if await self.process.wait() != (-number if number == signal.SIGKILL else 0):
            self.check_alive()

    def check_alive(self) -> None:
        """Raise RuntimeError if the process has ended by itself."""
        if self.process.returncode is not None:
            tail = self.log.read_text(encoding="utf-8", errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}\n{tail}")


class Balancer:
    """A TCP load balancer that forwards each connection to the next port that accepts it."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self.refused = 0
        """Number of connections that no port accepted."""

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in self._ports:
            self._ports.append(self._ports.pop(0))
            with suppress(OSError):
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._ports[-1])
                await asyncio.gather(_carry(reader, inner_writer), _carry(inner_reader, writer))
                return
        self.refused += 1
        writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Cluster:
    """The bot's processes on one PostgreSQL, with a fake Discord and a fake ComfyDeploy."""

    def __init__(
        self, folder: Path, discord: FakeDiscord, comfydeploy: FakeComfyDeploy, database: Database
    ) -> None:
        self.discord, self.comfydeploy, self.database = discord, comfydeploy, database
        self._folder = folder
        self.members: list[Member] = []
        self.kills = 0
        self.people: list[User] = []
        self.channels: list[Channel] = []
        for shard in range(SHARDS):
            guild = discord.add_guild(f"server {shard}", shard=shard, shards=SHARDS)
            self.people += [discord.add_user(f"person-{shard}-{n}", guild) for n in range(CHANNELS)]
            self.channels += [discord.add_text(guild, f"pictures-{n}") for n in range(CHANNELS)]

    def add(self, name: str, roles: str, public_url: str, port: int = 0, **more: str) -> None:
        settings = bot_environment(self.discord, self.comfydeploy, self.database.url, port or free_port())
        settings |= {"ROLES": roles, "PUBLIC_URL": public_url, **SETTINGS, **more}
        needless = SECRETS if roles == "web" else set()
        kept = {name: value for name, value in settings.items() if name not in needless}
        self.members.append(Member(name, kept, self._folder))

    async def start(self) -> None:
        """Start the processes, and wait until the command is synced and every shard is connected."""
        for member in self.members:
            await member.start(self.discord.url)
        await self.discord.wait_command("generate", within=120)
        await self._connected()

    async def _connected(self) -> None:
        await self.discord.wait_until(
            lambda: len({session.shard[0] for session in self.discord.gateway.live}) == SHARDS, within=120
        )

    async def strike(self, chance: random.Random, last: Member | None) -> Member:
        """Kill a process other than `last`, restart it as a supervisor does, and return it."""
        member = chance.choice([one for one in self.members if one is not last])
        await member.end(signal.SIGKILL)
        self.kills += 1
        await member.start(self.discord.url)
        return member

    async def replace(self, member: Member) -> None:
        """Replace a process as an upgrade does, and wait until it answers and every shard is connected."""
        await member.end(signal.SIGTERM)
        await member.start(self.discord.url)
        await ready(int(member.settings["WEB_PORT"]))
        await self._connected()

    def check_alive(self) -> None:
        """Raise RuntimeError if a process has ended by itself."""
        for member in self.members:
            member.check_alive()

    def log_lines(self, key: str, lines: int = 60) -> list[str]:
        """Return what all processes logged about a run."""
        found = []
        for member in self.members:
            text = member.log.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [f"{line} [{member.name}]" for line in text if key in line]
        return sorted(found)[-lines:]


@asynccontextmanager
async def built(folder: Path, webs: int, messengers: int) -> AsyncIterator[tuple[Cluster, Balancer]]:
    """Start the fakes, the database, the balancer and the bot's processes."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(opened("postgres", folder))
        discord = await stack.enter_async_context(FakeDiscord(answer_within=ANSWER_WITHIN))
        discord.routes.shards = SHARDS
        discord.gateway.identify_seconds = 5.0
        deployment = replace(picture(), concurrency_limit=AT_ONCE)
        comfydeploy = FakeComfyDeploy(deployments=[deployment], webhook_waits=(0.5, 1.0))
        cluster = Cluster(folder, discord, await stack.enter_async_context(comfydeploy), database)
        ports = [free_port() for _ in range(webs)]
        balancer = Balancer(ports)
        server = await stack.enter_async_context(await asyncio.start_server(balancer.enter, "127.0.0.1", 0))
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for number, shards in enumerate(("0,1", "2,3")):
            cluster.add(f"gateway-{number}", "gateway", url, SHARD_COUNT=str(SHARDS), SHARD_IDS=shards)
        for number, port in enumerate(ports):
            cluster.add(f"web-{number}", "web", url, port)
        for number in range(messengers):
            cluster.add(f"messenger-{number}", "messenger", url)
        cluster.add("reconcile-0", "reconcile", url)
        try:
            await cluster.start()
            yield cluster, balancer
        finally:
            for process in [member.process for member in cluster.members if hasattr(member, "process")]:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
