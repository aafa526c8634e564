"""A channel's state as the bot reads it, with a gateway connection and without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import aiohttp
import discord
import pytest

from bot.discord_api.channels import channel_state, requester_now
from bot.domain.errors import DiscordAway
from bot.domain.messages.records import MessageRef
from bot.domain.requests import ChannelState
from bot.gateway.client import RestClient
from bot.gateway.guild import read_automod
from bot.gateway.message_files import fetch_run_files
from bot.outside import Outside
from bot.words.cache import WordThread
from tests.fakediscord.faults import Fault
from tests.fakediscord.patch import discord_at
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, Guild, User
from tests.unit.factories import made_run


@dataclass(frozen=True)
class Studio:
    """A server with a channel and a person, and the bot as a gateway client."""

    fake: FakeDiscord
    bot: discord.Client
    guild: Guild
    general: Channel
    alice: User


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    async with FakeDiscord() as fake:
        guild = fake.add_guild("Studio")
        general, alice = fake.add_text(guild, "general"), fake.add_user("alice", guild)
        with discord_at(fake.url):
            async with discord.Client(intents=discord.Intents(guilds=True), max_messages=None) as bot:
                running = asyncio.create_task(bot.start(fake.token))
                await bot.wait_for("guild_available", timeout=60)
                yield Studio(fake, bot, guild, general, alice)
            await running


@pytest.fixture
async def rest(studio: Studio) -> AsyncIterator[RestClient]:
    """Log in without a gateway connection, as a process of the role `reconcile` does."""
    client = RestClient(aiohttp.TraceConfig())
    await client.login(studio.fake.token)
    yield client
    await client.close()


@pytest.fixture(params=["gateway", "rest"])
def client(request: pytest.FixtureRequest, studio: Studio, rest: RestClient) -> discord.Client:
    return studio.bot if request.param == "gateway" else rest


async def becomes(client: discord.Client, place: Channel, expected: ChannelState) -> None:
    """Wait until the client sees the channel like that: the gateway tells changes a little later."""
    assert place.guild is not None
    run = made_run(guild_id=place.guild.id, channel_id=place.id)
    async with asyncio.timeout(30):
        while True:
            if await channel_state(client, run) == expected:
                return
            await asyncio.sleep(0.01)


THREAD, LOCKED = "a thread", "a locked thread"


@pytest.mark.parametrize(
    ("kind", "lacking", "expected"),
    [
        ("marked", [], ChannelState(age_restricted=True)),
        ("plain", ["attach_files"], ChannelState(missing=("Attach Files",))),
        (THREAD, ["send_messages", "manage_threads"], ChannelState()),
        (f"marked {THREAD}", ["manage_threads"], ChannelState(age_restricted=True)),
        (LOCKED, ["manage_threads"], ChannelState(locked=True)),
        ("deleted", [], ChannelState(exists=False)),
    ],
)
async def test_a_channel_is_seen_as_it_is_now(
    studio: Studio, client: discord.Client, kind: str, lacking: list[str], expected: ChannelState
) -> None:
    fake = studio.fake
    place = fake.add_text(studio.guild, "a-channel", nsfw="marked" in kind)
    for permission in lacking:
        fake.withdraw(place, permission)
    if "thread" in kind:
        place = fake.add_thread(place, "a thread")
        fake.set_thread(place, archived=False, locked=kind == LOCKED)
    if kind == "deleted":
        fake.delete_channel(place)
    await becomes(client, place, expected)


async def test_what_the_bot_cannot_see_is_gone_and_no_answer_says_nothing(
    studio: Studio, rest: RestClient
) -> None:
    run = made_run(guild_id=studio.guild.id, channel_id=studio.general.id)
    studio.fake.remove_bot(studio.guild)
    await becomes(rest, studio.general, ChannelState(exists=False))
    assert await channel_state(rest, made_run(guild_id=None)) is None
    studio.fake.faults.add("GET /guilds/{guild_id}", Fault.delay(30), times=None)
    with pytest.raises(DiscordAway):
        await channel_state(rest, run, seconds=0.3)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_without_a_code_is_no_answer(studio: Studio, rest: RestClient, status: int) -> None:
    """A reset token, or Cloudflare, which blocks the bot's address for a while."""
    studio.fake.faults.add("*", Fault.answer(status), times=None)
    run = made_run(guild_id=studio.guild.id, channel_id=studio.general.id)
    with pytest.raises(DiscordAway):
        await channel_state(rest, run)
    with pytest.raises(DiscordAway):
        await requester_now(studio.bot, run, seconds=10)
    with pytest.raises(DiscordAway):
        await fetch_run_files(rest, [MessageRef(studio.general.id, 1)], run.key)
    with pytest.raises(discord.HTTPException):
        await read_automod(studio.bot, studio.guild.id, WordThread(Outside()))


async def test_a_requester_who_left_has_no_roles(studio: Studio) -> None:
    run = made_run(guild_id=studio.guild.id, requester_id=studio.alice.id)
    member = await requester_now(studio.bot, run, seconds=10)
    assert studio.alice.id in member.role_ids  # the fake names each member's role like the member
    stranger = studio.fake.add_user("stranger")
    left = await requester_now(studio.bot, replace(run, requester_id=stranger.id), seconds=10)
    assert (left.id, left.role_ids) == (stranger.id, frozenset())
