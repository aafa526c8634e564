"""Kinds of channels, shards, long runs, and faults of the fake Discord itself."""

from __future__ import annotations

import asyncio
import hashlib
import json

import aiohttp
import discord
import pytest

from tests.fakediscord.faults import Fault
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel
from tests.unit.fakediscord.bot import picture
from tests.unit.fakediscord.harness import Studio


@pytest.mark.parametrize("kind", ["text", "voice", "thread", "post", "direct"])
async def test_commands_and_posts_work_in_every_kind_of_channel(studio: Studio, kind: str) -> None:
    fake, guild = studio.fake, studio.guild
    place: Channel = {
        "text": lambda: studio.general,
        "voice": lambda: fake.add_voice(guild, "stage"),
        "thread": lambda: fake.add_thread(studio.general, "ideas"),
        "post": lambda: fake.add_thread(fake.add_forum(guild, "forum"), "a post"),
        "direct": lambda: fake.dm(studio.alice),
    }[kind]()
    run = await fake.slash(studio.alice, place, "paint", {"prompt": "a cat"})
    await run.wait_answer()
    interaction = studio.bot.interactions[0]
    assert interaction.channel is not None
    assert (interaction.channel.id, interaction.user.id) == (place.id, studio.alice.id)
    assert interaction.filesize_limit == place.filesize_limit
    await studio.bot.get_partial_messageable(place.id).send("done", file=picture())
    assert [m.content for m in fake.messages(place)] == ["painting a cat", "done"]


async def test_every_shard_hears_of_its_own_servers_only(fake: FakeDiscord) -> None:
    guilds = [fake.add_guild(f"G{n}", shard=n, shards=2) for n in range(2)]
    options = {"intents": discord.Intents(guilds=True), "shard_count": 2, "guild_ready_timeout": 0.01}
    clients = [discord.Client(shard_id=n, **options) for n in range(2)]
    for client in clients:
        await client.login(fake.token)  # `wait_for` needs the event loop that it sets
    running = [asyncio.create_task(client.connect()) for client in clients]
    try:
        await asyncio.gather(*(client.wait_for("ready", timeout=60) for client in clients))
        assert [[g.id for g in client.guilds] for client in clients] == [[g.id] for g in guilds]
        assert sorted(s.shard for s in fake.gateway.live) == [(0, 2), (1, 2)]
    finally:
        for client in clients:
            await client.close()
        await asyncio.gather(*running, return_exceptions=True)


async def test_long_runs_keep_only_the_first_files_and_the_last_messages() -> None:
    async with FakeDiscord(files_kept=1, messages_kept=2) as fake:
        general = fake.add_text(fake.add_guild("Studio"), "general")
        headers = {"Authorization": f"Bot {fake.token}"}
        async with aiohttp.ClientSession(fake.url, headers=headers) as session:
            for number in range(3):
                form = aiohttp.FormData(quote_fields=False)
                form.add_field("payload_json", json.dumps({"content": str(number)}))
                form.add_field("files[0]", b"12345", filename="a.bin")
                async with session.post(f"/api/v10/channels/{general.id}/messages", data=form) as reply:
                    assert reply.status == 200
        files = [m.attachments[0] for m in general.messages.values()]
        assert [f.data for f in files] == [b"12345", None, None]
        assert {(f.size, f.sha256) for f in files} == {(5, hashlib.sha256(b"12345").hexdigest())}
        assert [m.content for m in fake.request_log.messages] == ["1", "2"]
        assert fake.request_log.messages_created == 3


async def test_a_body_the_fake_can_not_read_fails_the_test_that_sent_it() -> None:
    async def send_nonsense() -> None:
        async with FakeDiscord() as fake:
            general = fake.add_text(fake.add_guild("Studio"), "general")
            headers = {"Authorization": f"Bot {fake.token}"}
            async with (
                aiohttp.ClientSession(fake.url, headers=headers) as session,
                session.post(f"/api/v10/channels/{general.id}/messages", json={"embeds": "x"}) as reply,
            ):
                assert reply.status == 500

    with pytest.raises(ExceptionGroup):
        await send_nonsense()


async def test_seeded_faults_strike_the_same_requests_every_time() -> None:
    def struck(seed: int) -> list[bool]:
        faults = FakeDiscord(seed=seed).faults
        faults.add("GET /gateway", Fault.answer(502), times=None, probability=0.5)
        return [faults.draw("GET /gateway", {}) is not None for _ in range(40)]

    assert struck(1) == struck(1) != struck(2)
