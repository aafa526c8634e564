"""The world of a round: both fake services, the servers and their people, and the bot's processes."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import discord
from aiohttp import web

from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.server import FakeComfyDeploy
from demo.picture_check import PATH, FakePictureCheck
from tests.fakediscord.errors import Json
from tests.fakediscord.launch import point_discord_at
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import MODERATOR, Channel, Guild, User
from tests.simulation.engine.boundaries import utc_now
from tests.simulation.engine.life import OUTSIDE
from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.patches import TIME, entropy
from tests.simulation.engine.process import Process

FORBIDDEN = "forbidden"
WEB_PORT = 8080
_CHECKER_PORT, _CHECKER_SECRET = 8090, "picture-check-secret-of-the-simulation"
# A picture whose prompt contains it is flagged.
LURID = "lurid"
# The fake Discord's application belongs to this user.
_OWNER_ID = 1
_STOP_WITHIN = 30.0
_START_WITHIN = 60.0

MANAGER = MODERATOR | discord.Permissions(manage_channels=True).value
ALONE = "bot"
# Both workers post results and start runs, so each may take over the other's expired claims.
TWO_WORKERS: Mapping[str, Mapping[str, str]] = {
    "front": {"ROLES": "gateway,web"},
    "worker-1": {"ROLES": "messenger,reconcile", "WEB_PORT": "8082"},
    "worker-2": {"ROLES": "messenger,reconcile", "WEB_PORT": "8083"},
}
# The bot as one process, and as several that share a PostgreSQL database.
LAYOUTS: tuple[Mapping[str, Mapping[str, str]], ...] = (
    {ALONE: {}},
    {
        "gateway": {"ROLES": "gateway", "WEB_PORT": "8081"},
        "web": {"ROLES": "web"},
        "messenger": {"ROLES": "messenger", "WEB_PORT": "8082"},
        "reconcile": {"ROLES": "reconcile", "WEB_PORT": "8083"},
    },
    TWO_WORKERS,
)
DEPLOYMENTS = Path(__file__).with_name("deployments.toml")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the round's log: the time, the person, process or fault, and what happened."""

    at: float
    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:9.3f} {self.who:<10} {self.text}"


@dataclass
class Cast:
    """The servers, channels and people of a round, by name."""

    guilds: dict[str, Guild] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    people: dict[str, User] = field(default_factory=dict)


class World:
    """Everything outside the bot, and the bot's processes. `folder` has its files."""

    def __init__(self, loop: VirtualLoop, folder: Path, seed: str) -> None:
        self.loop = loop
        self.folder = folder
        self.seed = seed
        self.log: list[Entry] = []
        self.discord = FakeDiscord(rate_limits=True, answer_within=3.0)
        self.comfydeploy = FakeComfyDeploy(pace=0.4, picture_scale=1 / 16, now=comfydeploy_now)
        self.checker = FakePictureCheck(_CHECKER_SECRET, marker=LURID.encode())
        self._checker = web.AppRunner(self.checker.app(), access_log=None)
        self.cast = Cast()
        self.processes: list[Process] = []
        self.database_url = ""
        self.layout: Mapping[str, Mapping[str, str]] = {ALONE: {}}
        """The names of the processes, and the settings that differ between them."""
        self.files_before = {path.name for path in Path(tempfile.gettempdir()).iterdir()}
        self.pending = 0
        """Number of `later` calls that haven't ended."""
        self._started = 0

    async def open(self) -> None:
        """Start the services, and create the servers and people."""
        await self.discord.start()
        await self.comfydeploy.__aenter__()
        await self._checker.setup()
        await web.TCPSite(self._checker, "127.0.0.1", _CHECKER_PORT).start()
        # Discord's file links use https; the in-memory network has no TLS.
        self.discord.files_url = self.discord.url.replace("http", "https", 1)
        point_discord_at(self.discord.url)
        self._build()

    async def close(self) -> None:
        await self._checker.cleanup()
        await self.comfydeploy.__aexit__(None, None, None)
        await self.discord.stop()

    def note(self, who: str, text: str) -> None:
        """Add a line to the round's log."""
        self.log += [Entry(TIME.monotonic, who, line) for line in text.rstrip("\n").split("\n")]

    # The servers.

    def _build(self) -> None:
        studio, quiet = self.discord.add_guild("Studio"), self.discord.add_guild("Reviewed")
        elsewhere, foreign = self.discord.add_guild("Elsewhere"), self.discord.add_guild("Foreign")
        foreign.bot_present = False
        self.cast.guilds = {"studio": studio, "reviewed": quiet, "elsewhere": elsewhere, "foreign": foreign}
        for name, home in {
            "pictures": studio,
            "gallery": studio,
            "reports": studio,
            "requests": quiet,
            "cards": quiet,
            "outside": elsewhere,
            "lounge": foreign,
        }.items():
            self.cast.channels[name] = self.discord.add_text(home, name)
        for home, name in ((studio, "pictures"), (quiet, "requests"), (elsewhere, "outside")):
            home.system_channel = self.cast.channels[name].id
        self.cast.channels["adult"] = self.discord.add_text(studio, "adult", nsfw=True)
        self.cast.channels["thread"] = self.discord.add_thread(self.cast.channels["pictures"], "thread")
        owner = User(_OWNER_ID, "owner")
        self.discord.world.users[owner.id] = owner
        self.cast.people["owner"] = owner
        self.discord.join(studio, owner)
        for name in ("alice", "bob", "carol"):
            person = self.cast.people[name] = self.discord.add_user(name, studio)
            self.discord.join(quiet, person)
            self.discord.join(foreign, person)
        for name in ("mona", "mike"):
            person = self.cast.people[name] = self.discord.add_user(name, studio, permissions=MANAGER)
            self.discord.join(quiet, person, permissions=MANAGER)
        self.cast.people["rita"] = self.discord.add_user("rita", quiet)
        stranger = self.cast.people["stranger"] = self.discord.add_user(
            "stranger", elsewhere, permissions=MANAGER
        )
        self.discord.join(foreign, stranger)
        friends = (self.person("alice"), self.person("bob"), stranger)
        self.cast.channels["friends"] = self.discord.add_group("friends", *friends)
        for private in ("reports", "cards"):
            hidden = self.cast.channels[private]
            hidden.member_permissions = {self.cast.people[name].id: 0 for name in ("alice", "bob", "carol")}
        forbid(self.discord, studio, FORBIDDEN)

    # The processes.

    @property
    def is_postgres(self) -> bool:
        return self.database_url.startswith("postgresql")

    def environment(self) -> dict[str, str]:
        """Return the bot's environment variables."""
        return {
            "DISCORD_TOKEN": self.discord.token,
            "COMFYDEPLOY_API_KEY": self.comfydeploy.api_key,
            "COMFYDEPLOY_API_URL": self.comfydeploy.url,
            "DEPLOYMENTS_FILE": str(self.folder / "deployments.toml"),
            "DATABASE_URL": self.database_url,
            "PUBLIC_URL": f"http://127.0.0.1:{WEB_PORT}",
            "WEB_HOST": "127.0.0.1",
            "WEB_PORT": str(WEB_PORT),
            "POLL_INTERVAL_SECONDS": "5",
            "SUBMIT_GRACE_SECONDS": "20",
            "RUN_DEADLINE_SECONDS": "120",
            "ALLOW_DIRECT_MESSAGES": "true",
            "ALLOW_USER_INSTALLS": "true",
            "ALLOW_PRIVATE_MEDIA_NETWORKS": "127.0.0.0/8",
            "PICTURE_CHECK_URL": f"http://127.0.0.1:{_CHECKER_PORT}{PATH}",
            "PICTURE_CHECK_SECRET": _CHECKER_SECRET,
            "METRICS_TOKEN": "metrics-token-of-the-simulation",
            "LOG_LEVEL": "DEBUG",
        }

    def launch(self, name: str = ALONE, **settings: str) -> Process:
        """Start a process without waiting. `settings` override those of its name in the layout."""
        self._started += 1
        process = Process(name, self.loop, self.note, f"{self.seed}-{name}-{self._started}")
        self.processes.append(process)
        process.start({**self.environment(), **self.layout.get(name, {}), **settings})
        return process

    async def start(self) -> bool:
        """Start the layout's processes that aren't running; return whether the gateway is connected."""
        runs = {process.life.name for process in self.running}
        for name in self.layout:
            if name not in runs:
                self.launch(name)
        await self.until(lambda: len(self.running) < len(self.layout) or self._is_ready(), _START_WITHIN)
        return self._is_ready()

    def _is_ready(self) -> bool:
        known = self.discord.commands.find("generate") is not None
        return known and bool(self.discord.gateway.live)

    def later(self, seconds: float, act: Callable[[], Awaitable[object] | None]) -> None:
        """Call a function after some virtual seconds; the round waits for it."""
        self.pending += 1

        async def run() -> None:
            try:
                done = act()
                if done is not None:
                    await done
            finally:
                self.pending -= 1

        # A kill may be called by code of the dying process, whose own callbacks are dropped.
        self.loop.call_later(seconds, lambda: self.loop.create_task(run()), context=OUTSIDE)

    def launch_later(self, seconds: float, name: str) -> None:
        """Restart a process after some virtual seconds, as a supervisor does."""

        def launch() -> None:
            if not any(process.life.name == name for process in self.running):
                self.launch(name)

        self.later(seconds, launch)

    async def stop(self) -> None:
        """Send SIGTERM to every process, and wait until all have ended."""
        for process in self.running:
            process.terminate()
        await self.until(lambda: not self.running, _STOP_WITHIN)

    @property
    def running(self) -> list[Process]:
        return [process for process in self.processes if process.running]

    async def until(self, condition: Callable[[], object], within: float, every: float = 0.02) -> bool:
        """Wait up to `within` virtual seconds; return whether the condition holds."""
        deadline = TIME.monotonic + within
        while not condition():
            if TIME.monotonic >= deadline:
                return False
            await asyncio.sleep(every)
        return True

    def person(self, name: str) -> User:
        return self.cast.people[name]

    def name_of(self, user: User) -> str:
        return next(name for name, person in self.cast.people.items() if person is user)

    def place_of(self, channel: Channel) -> str:
        """Return a channel's name, as `channel` takes it."""
        if channel.recipient is not None:
            return f"dm:{self.name_of(channel.recipient)}"
        return next(name for name, place in self.cast.channels.items() if place is channel)

    def channel(self, name: str) -> Channel:
        """Return a channel by its name, or a person's direct messages by `dm:NAME`."""
        if name.startswith("dm:"):
            return self.discord.dm(self.person(name.removeprefix("dm:")))
        return self.cast.channels[name]

    def next_faults(self, faults: Mapping[str, Any]) -> None:
        """Set the faults of the next queue call."""
        self.comfydeploy.next_faults(Faults(**faults))


@contextmanager
def new_world(seed: str, folder: Path, deployments: Path = DEPLOYMENTS) -> Iterator[World]:
    """Restart time, and yield a world in a new folder and event loop, which are dropped at the end."""
    TIME.restart()
    entropy.restart(seed)
    folder.mkdir(parents=True)
    shutil.copyfile(deployments, folder / DEPLOYMENTS.name)
    loop = VirtualLoop(random.Random(seed))
    asyncio.set_event_loop(loop)
    try:
        yield World(loop, folder, seed)
    finally:
        loop.bury()
        shutil.rmtree(folder, ignore_errors=True)


def comfydeploy_now() -> datetime:
    """Return the current time, truncated to milliseconds as ComfyDeploy stores it."""
    now = utc_now()
    return now.astimezone(UTC).replace(microsecond=now.microsecond // 1000 * 1000)


def forbid(server: FakeDiscord, guild: Guild, word: str) -> None:
    """Give a server an AutoMod rule that the bot may read."""
    guild.bot_permissions |= discord.Permissions(manage_guild=True).value
    rule: Json = {
        "id": str(server.world.snowflake()),
        "guild_id": str(guild.id),
        "name": "words",
        "creator_id": "1",
        "event_type": 1,
        "trigger_type": 1,
        "trigger_metadata": {"keyword_filter": [word], "regex_patterns": [], "allow_list": [], "presets": []},
        "actions": [{"type": 1, "metadata": {}}],
        "enabled": True,
        "exempt_roles": [],
        "exempt_channels": [],
    }
    guild.automod.append(rule)
