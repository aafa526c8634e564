"""Run the real bot between an offline Discord and a fake ComfyDeploy, with a database in a temporary folder.

Only Discord and ComfyDeploy are fakes; everything between them is the code that production runs.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import discord
import simcord
from yarl import URL

from bot.app import Process, build, running_workers
from bot.config.settings import Settings
from bot.domain.errors import BotError
from bot.domain.picture_check import Flagged
from bot.domain.settings.rules_and_defaults import Approval, PictureRules
from bot.domain.settings.setting_types import SettingsContext
from bot.effects import Effects
from bot.web import listening
from demo.fake_comfydeploy.server import FakeComfyDeploy
from demo.picture_check import PATH, FakePictureCheck

HOST = "127.0.0.1"
OUTSIDE = Effects()
DEPLOYMENTS = Path(__file__).with_name("deployments.toml")
SERVER = "The Studio"
CHANNEL = "pictures"
BOT = "ComfyDeploy"
REVIEW = "review"
GALLERY = "gallery"
RESTRICTED = "age-restricted"
# The fake checker flags pictures whose prompt has this word, or that have this seed.
FLAGGED, UNLUCKY = "lurid", 13


@dataclass(frozen=True, slots=True)
class About:
    """What a channel says of itself: its topic, in the list of channels, and to newcomers."""

    topic: str
    link: str
    hint: str


CHANNELS = {
    CHANNEL: About(
        "Type /generate picture and describe it. /help explains the rest.",
        "request pictures here",
        "Type `/generate picture`, press Enter, and describe a picture. More to try is below the channels.",
    ),
    GALLERY: About(
        "Results that people have shared",
        "shared results",
        "The bot posts a result here when its requester presses Share, which is behind More.",
    ),
    RESTRICTED: About(
        "Type /generate restricted here: its deployment is age-restricted.",
        "for /generate restricted",
        "`/generate restricted` runs only here, because its deployment is age-restricted.",
    ),
    REVIEW: About(
        "For moderators: flagged pictures, reports and, if Mia wants it, all requests wait here",
        "for Mia, the moderator",
        f"Pictures wait here if their prompt has the word “{FLAGGED}”. So do all requests, once Mia has "
        f"switched approval on: in #{CHANNEL}, choose Mia, type `/settings`, and change Approval.",
    ),
}
# The users to choose from on the page; the moderator has Manage Server and Manage Channels.
PEOPLE = ("ada", "ben", "mia")
MODERATOR = "mia"
_CLOCK_STEP, _SECRET = 0.5, "secret-of-the-picture-check-in-the-demo"
# On a busy machine a commit alone may take longer than simcord's 5 seconds.
SETTLED_WITHIN = 60.0


@dataclass
class World:
    """The parts of a running demo.

    Hold `turn` during each operation on the offline Discord, which refuses concurrent operations.
    """

    app: Process
    env: simcord.Env
    comfydeploy: FakeComfyDeploy
    guild: simcord.GuildHandle
    channels: Mapping[str, simcord.ChannelHandle]
    people: Mapping[str, simcord.MemberActor]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def channel(self) -> simcord.ChannelHandle:
        return self.channels[CHANNEL]

    def pinged(self, channel_id: int, message_id: int) -> Sequence[str]:
        """Return the names of the people that a message pings.

        simcord's list of mentions also has people whom the bot names without a ping.
        """
        sent = self.env.backend.messages[channel_id][message_id]
        named = [person for person in self.people.values() if person.id in sent.mention_user_ids]
        return [person.name for person in named if sent.allowed_mentions.allows_user(person.id)]

    async def catch_up(self) -> None:
        """Advance the offline Discord's clock to the current time. The caller must hold `turn`.

        The clock starts in January 2026 and moves only when it is advanced. The bot uses the real clock, as
        in production. If the two differed, times such as "5 seconds ago" and the lifetimes of interaction
        tokens would be wrong.
        """
        behind = (OUTSIDE.now() - self.env.now()).total_seconds()
        if behind > 0:
            await self.env.advance_time(behind)

    async def keep_time(self) -> None:
        async with self.turn:
            await self.catch_up()


@asynccontextmanager
async def open_world(pace: float) -> AsyncIterator[World]:
    """Run the bot, its workers and both fakes inside the block.

    `pace` is the duration of a step of the fake ComfyDeploy in seconds.
    """
    with tempfile.TemporaryDirectory(prefix="comfydeploy-demo-") as folder:
        with socket.create_server((HOST, 0)) as free:
            port = free.getsockname()[1]
        checker = FakePictureCheck(_SECRET, marker=rf"{FLAGGED}|\(seed {UNLUCKY}\)".encode())
        async with (
            FakeComfyDeploy(pace=pace) as comfydeploy,
            listening(checker.app(), HOST, 0) as checker_port,
            build(_settings(comfydeploy, Path(folder), port, checker_port), OUTSIDE) as app,
            listening(app.web, HOST, port),
            simcord.run(app.bot, settle_timeout=SETTLED_WITHIN) as env,
        ):
            _count_faults_only(env)
            world = await _furnish(app, env, comfydeploy)
            comfydeploy.open_link = app.app.fetcher.read_offline = partial(_open_attachment, app)
            async with running_workers(app, seconds=2), repeating(_CLOCK_STEP, world.keep_time):
                yield world


async def _furnish(app: Process, env: simcord.Env, comfydeploy: FakeComfyDeploy) -> World:
    """Create the server with its channels and members. First set the clock, because ids contain the time."""
    await env.advance_time((OUTSIDE.now() - env.now()).total_seconds())
    if app.bot.user is None:
        raise RuntimeError("the bot has not logged in")
    await app.bot.user.edit(username=BOT)
    guild = env.create_guild(SERVER)
    may = discord.Permissions(manage_guild=True, manage_channels=True)
    moderators = guild.create_role("Moderator", permissions=may)
    seen, hidden = (discord.PermissionOverwrite(view_channel=may_see) for may_see in (True, False))
    private: dict[Any, discord.PermissionOverwrite]
    private = {guild.default_role: hidden, moderators: seen, app.bot.user: seen}
    channels = {
        name: guild.create_text_channel(
            name, topic=about.topic, overwrites=private if name == REVIEW else None
        )
        for name, about in CHANNELS.items()
    }
    people = {
        name: guild.add_member(
            env.create_user(name, global_name=name.capitalize()),
            roles=[moderators] if name == MODERATOR else [],
        )
        for name in PEOPLE
    }
    await env.settle()
    known = app.bot.get_channel(channels[RESTRICTED].id)
    if not isinstance(known, discord.TextChannel):
        raise TypeError(f"the bot doesn't know #{RESTRICTED}")
    known.nsfw = True  # in the bot's cache, because simcord 3.2 has no such setting
    # All of these are off by default; newcomers can try them.
    wanted = {
        "gallery_channel_id": channels[GALLERY].id,
        "private_results": True,
        "approval": Approval(review_channel_id=channels[REVIEW].id),
        "pictures": PictureRules(flagged=Flagged.HOLD),
    }
    await app.app.store.rules.change(
        guild.id,
        people[MODERATOR].id,
        lambda rules: rules.model_copy(update=wanted),
        OUTSIDE.now(),
        SettingsContext(channel_ids=frozenset({channels[GALLERY].id, channels[REVIEW].id})),
    )
    return World(app, env, comfydeploy, guild, channels, people)


async def _open_attachment(app: Process, url: str) -> bytes | None:
    """Return a file of the offline Discord, whose URLs don't exist on the network.

    Returns None for any other URL, and for a deleted file.
    """
    if not str(URL(url).host).endswith(".simcord.invalid"):
        return None
    with suppress(discord.NotFound):
        file: bytes = await app.bot.http.get_from_cdn(url)
        return file
    return None


def _count_faults_only(env: simcord.Env) -> None:
    """Keep every BotError, such as a refusal, out of simcord's list of errors.

    simcord records each exception of a command as an error, but the bot answers a BotError with a sentence.
    If it were recorded, the page would call the outcome uncertain, and the demo would end with a traceback.
    """
    record = env._record_error

    def record_fault(error: BaseException) -> None:
        if not isinstance(getattr(error, "original", error), BotError):
            record(error)

    env._record_error = record_fault  # type: ignore[method-assign]  # there is no public switch for it


@asynccontextmanager
async def repeating(seconds: float, step: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Call `step` every `seconds` inside the block."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(seconds)
            await step()

    task = asyncio.create_task(repeat(), name=step.__name__)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _settings(comfydeploy: FakeComfyDeploy, folder: Path, port: int, checker_port: int) -> Settings:
    given = {
        "discord_token": "no.token.needed-in-the-demo",
        "comfydeploy_api_key": comfydeploy.api_key,
        "comfydeploy_api_url": comfydeploy.url,
        "deployments_file": DEPLOYMENTS,
        "public_url": f"http://{HOST}:{port}",
        "web_host": HOST,
        "web_port": port,
        "picture_check_url": f"http://{HOST}:{checker_port}{PATH}",
        "picture_check_secret": _SECRET,
        "database_url": f"sqlite:///{folder}/bot.db",
        "allow_private_media_networks": "127.0.0.0/8",  # the fake ComfyDeploy's files are on this machine
    }
    return Settings.model_validate(given)
