"""The environment of a scale run: a process for each role, and people on servers of every shard."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from demo.fake_comfydeploy.deployments import PICTURE_ID, picture
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.chaos.database import opened
from tests.databases import Database
from tests.e2e.bot_process import PROJECT
from tests.fakediscord.launch import command
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, User
from tests.ports import free_port
from tests.scale.balancer import Balancer, balancing

SHARDS = 4
CHANNELS = 12  # of each server
AT_ONCE = 60
# Seconds, more than Discord's three, because all processes and fakes may share two cores.
ANSWER_WITHIN = 10.0
SETTINGS = {
    "COMFYDEPLOY_DEPLOYMENT_ID": PICTURE_ID,
    "WEB_HOST": "127.0.0.1",
    "DATABASE_POOL_SIZE": "6",
    "POLL_INTERVAL_SECONDS": "2",
    "SUBMIT_GRACE_SECONDS": "15",
    "ALLOW_PRIVATE_MEDIA_NETWORKS": "127.0.0.0/8",
}


@dataclass
class Member:
    """A process of the bot with its settings."""

    name: str
    settings: Mapping[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self, url: str) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command(url, "bot"), env=dict(self.settings), cwd=self.log.parent, stderr=log
            )

    async def kill(self) -> None:
        """Send SIGKILL, and wait for the end. Raises RuntimeError if the process has ended by itself."""
        assert self.process is not None
        self.check_alive()
        self.process.kill()
        assert await self.process.wait() == -signal.SIGKILL

    async def stop(self) -> None:
        """Send SIGTERM, and wait for a clean end. Raises RuntimeError if the process has ended by itself."""
        assert self.process is not None
        self.check_alive()
        self.process.terminate()
        assert await self.process.wait() == 0

    def check_alive(self) -> None:
        """Raise RuntimeError if the process has ended by itself."""
        if self.process is not None and self.process.returncode is not None:
            tail = self.log.read_text(encoding="utf-8", errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}\n{tail}")


class Cluster:
    """The bot's processes on one PostgreSQL, with a fake Discord and a fake ComfyDeploy."""

    def __init__(
        self, folder: Path, fake: FakeDiscord, comfydeploy: FakeComfyDeploy, database: Database
    ) -> None:
        self.folder = folder
        self.discord = fake
        self.comfydeploy = comfydeploy
        self.database = database
        self.members: list[Member] = []
        self.kills = 0
        self.people: list[User] = []
        self.channels: list[Channel] = []
        for shard in range(SHARDS):
            guild = fake.add_guild(f"server {shard}", shard=shard, shards=SHARDS)
            self.people += [fake.add_user(f"person-{shard}-{n}", guild) for n in range(CHANNELS)]
            self.channels += [fake.add_text(guild, f"pictures-{n}") for n in range(CHANNELS)]

    def add(self, name: str, roles: str, public_url: str, **more: str) -> None:
        settings = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "DATABASE_URL": self.database.url,
            "ROLES": roles,
            "PUBLIC_URL": public_url,
            **SETTINGS,
            **more,
        }
        if roles != "web":
            settings |= {
                "DISCORD_TOKEN": self.discord.token,
                "COMFYDEPLOY_API_KEY": self.comfydeploy.api_key,
                "COMFYDEPLOY_API_URL": self.comfydeploy.url,
            }
        settings.setdefault("WEB_PORT", str(free_port()))
        self.members.append(Member(name, settings, self.folder / f"{name}.log"))

    async def start(self) -> None:
        """Start the processes, and wait until the command is synced and every shard is connected."""
        for member in self.members:
            await member.start(self.discord.url)
        await self.discord.wait_command("generate", within=120)
        await self.discord.wait_until(lambda: len(self.shards) == SHARDS, within=120)

    @property
    def shards(self) -> set[int]:
        """Return the connected shards."""
        return {session.shard[0] for session in self.discord.gateway.live}

    async def strike(self, chance: random.Random, last: Member | None) -> Member:
        """Kill a process other than `last`, restart it as a supervisor does, and return it."""
        member = chance.choice([one for one in self.members if one is not last])
        await member.kill()
        self.kills += 1
        await member.start(self.discord.url)
        return member

    async def replace(self, member: Member) -> None:
        """Replace a process as an upgrade does, and wait until it answers and every shard is connected."""
        await member.stop()
        await member.start(self.discord.url)
        ready = f"http://127.0.0.1:{member.settings['WEB_PORT']}/readyz"
        async with asyncio.timeout(120), aiohttp.ClientSession() as session:
            while not await _answers(session, ready):
                member.check_alive()
                await asyncio.sleep(0.25)
        await self.discord.wait_until(lambda: len(self.shards) == SHARDS, within=120)

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

    async def stop(self) -> None:
        running = [m.process for m in self.members if m.process is not None and m.process.returncode is None]
        for process in running:
            process.kill()
        for process in running:
            await process.wait()


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def populate(cluster: Cluster, public_url: str, web_ports: Sequence[int], messengers: int) -> None:
    cluster.add("gateway-0", "gateway", public_url, SHARD_COUNT=str(SHARDS), SHARD_IDS="0,1")
    cluster.add("gateway-1", "gateway", public_url, SHARD_COUNT=str(SHARDS), SHARD_IDS="2,3")
    for number, port in enumerate(web_ports):
        cluster.add(f"web-{number}", "web", public_url, WEB_PORT=str(port))
    for number in range(messengers):
        cluster.add(f"messenger-{number}", "messenger", public_url)
    cluster.add("reconcile-0", "reconcile", public_url)


@asynccontextmanager
async def built(
    folder: Path, database_kind: str = "postgres", *, webs: int = 2, messengers: int = 3
) -> AsyncIterator[tuple[Cluster, Balancer]]:
    """Start the fakes, the database and the balancer, and add the bot's processes without starting them."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(opened(database_kind, folder))
        fake = await stack.enter_async_context(FakeDiscord(answer_within=ANSWER_WITHIN))
        fake.routes.shards = SHARDS
        fake.gateway.identify_seconds = 5.0
        deployment = replace(picture(), concurrency_limit=AT_ONCE)
        comfydeploy = await stack.enter_async_context(
            FakeComfyDeploy(deployments=[deployment], webhook_waits=(0.5, 1.0))
        )
        ports = [free_port() for _ in range(webs)]
        balancer, port = await stack.enter_async_context(balancing(ports))
        cluster = Cluster(folder, fake, comfydeploy, database)
        populate(cluster, f"http://127.0.0.1:{port}", ports, messengers)
        stack.push_async_callback(cluster.stop)
        yield cluster, balancer
