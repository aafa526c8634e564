"""A channel and a person as a process without the gateway reads them, and which errors are an outage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace

import aiohttp
import discord
import pytest

from bot.discord_api.calls import Gone, NoResponse, PostError, Refused, Unreachable, mapped, responding
from bot.discord_api.channels import channel_state, invite_url, lacks, requester_now
from bot.domain.errors import DiscordAway
from bot.domain.messages import MessageRef
from bot.domain.requests import ChannelState
from bot.effects import Effects
from bot.gateway.client import RestClient, read_automod
from bot.gateway.message_files import fetch_run_files
from bot.word_filter.cache import WordThread
from tests.fakediscord.faults import Fault
from tests.fakediscord.launch import discord_at
from tests.fakediscord.server import FakeDiscord
from tests.unit.factories import made_run

KINDS = {403: discord.Forbidden, 404: discord.NotFound}


@pytest.mark.parametrize(
    ("status", "code", "means"),
    [
        (403, 50001, Unreachable),
        (404, 10003, Gone),
        (401, 50027, Unreachable),
        (400, 50083, Unreachable),
        (400, 50035, Refused),
        (413, 0, Refused),
        # Without a code it is no answer about a channel: a reset token, Cloudflare, an outage.
        *((status, 0, NoResponse) for status in (401, 403, 408, 429, 500)),
    ],
)
async def test_an_outage_is_not_taken_for_an_answer(status: int, code: int, means: type[PostError]) -> None:
    kind, answer = KINDS.get(status, discord.HTTPException), SimpleNamespace(status=status, reason="")
    fault = kind(answer, {"code": code, "message": ""})  # type: ignore[arg-type]
    with pytest.raises(means) as raised, mapped():
        raise fault
    assert raised.type is means
    with pytest.raises(kind if code and status in KINDS else DiscordAway):
        async with responding(9):
            raise fault


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as fake:
        yield fake


@pytest.fixture
async def client(fake: FakeDiscord) -> AsyncIterator[RestClient]:
    with discord_at(fake.url):
        client = RestClient(aiohttp.TraceConfig())
        await client.login(fake.token)
        yield client
        await client.close()


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
        ("of a server without the bot", [], ChannelState(exists=False)),
    ],
)
async def test_a_channel_is_seen_as_it_is_now(
    fake: FakeDiscord, client: RestClient, kind: str, lacking: list[str], expected: ChannelState
) -> None:
    guild = fake.add_guild("Studio")
    place = fake.add_text(guild, "a-channel", nsfw="marked" in kind)
    for permission in lacking:
        fake.withdraw(place, permission)
    if "thread" in kind:
        place = fake.add_thread(place, "a thread")
        fake.set_thread(place, archived=False, locked=kind == LOCKED)
    if kind == "deleted":
        fake.delete_channel(place)
    if "without" in kind:
        fake.remove_bot(guild)
    assert await channel_state(client, made_run(guild_id=guild.id, channel_id=place.id)) == expected
    assert await channel_state(client, made_run(guild_id=None)) is None


async def test_a_requester_who_left_has_no_roles(fake: FakeDiscord, client: RestClient) -> None:
    guild = fake.add_guild("Studio")
    member, stranger = fake.add_user("alice", guild), fake.add_user("stranger")
    for user, roles in ((member, True), (stranger, False)):
        run = made_run(guild_id=guild.id, requester_id=user.id)
        found = await requester_now(client, run)
        assert (found.id, bool(found.role_ids)) == (user.id, roles)


async def test_a_refusal_without_a_code_is_no_answer(fake: FakeDiscord, client: RestClient) -> None:
    """Cloudflare blocks the bot's address for a while."""
    guild = fake.add_guild("Studio")
    message = MessageRef(fake.add_text(guild, "general").id, 1)
    for path in ("/guilds/{guild_id}/auto-moderation/rules", "/channels/{channel_id}/messages/{message_id}"):
        fake.faults.add(f"GET {path}", Fault.answer(403), times=None)
    with pytest.raises(discord.Forbidden):
        await read_automod(client, guild.id, WordThread(Effects()))
    with pytest.raises(DiscordAway):
        await fetch_run_files(client, [message], "k")


def test_the_link_asks_for_six_permissions() -> None:
    assert "client_id=4242&" in invite_url(4242)
    assert invite_url(4242).endswith("&permissions=274878024704")
    assert lacks(object(), discord.Permissions(274878024704)) == []
