"""Messages in the fake Discord: limits, permissions, files, mentions, faults and rate limits."""

from __future__ import annotations

from typing import Any

import aiohttp
import discord
import pytest

from tests.fakediscord.world import MIB, Channel
from tests.unit.fakediscord.bot import card, picture
from tests.unit.fakediscord.harness import Studio, refusal

POST = "POST /channels/{channel_id}/messages"


async def test_a_file_is_posted_edited_and_deleted_and_the_books_remember_it(studio: Studio) -> None:
    sent, note = await studio.send("done", file=picture(), nonce="k1-result0")
    (file,) = note.attachments
    assert (note.nonce, file.filename, file.size) == ("k1-result0", "cat.png", 64)
    assert sent.attachments[0].size == 64
    await sent.edit(content="better")
    assert (note.content, note.history[0]["content"], len(note.attachments)) == ("better", "done", 1)
    await sent.edit(attachments=[])
    assert note.attachments == []
    await sent.delete()
    assert studio.shown == []
    assert note.deleted_at is not None
    assert note in studio.fake.request_log.messages


async def test_a_repeated_nonce_returns_the_first_message(studio: Studio) -> None:
    first = await studio.channel.send("one", nonce="same")
    second = await studio.channel.send("two", nonce="same")
    assert (second.id, second.content) == (first.id, "one")
    studio.fake.world.clock.advance(301)
    third = await studio.channel.send("three", nonce="same")
    assert third.id != first.id


@pytest.mark.parametrize(("waited", "repeated"), [(0, True), (60, False)], ids=["at-once", "later"])
async def test_a_jump_of_the_clock_spares_the_nonces_of_posts_that_are_being_repeated(
    studio: Studio, waited: float, repeated: bool
) -> None:
    first = await studio.channel.send("one", nonce="same")
    for _ in range(3):
        studio.fake.messages_service.keep_nonces_in_use(3600)
        studio.fake.world.clock.advance(3600)
    studio.fake.world.clock.advance(waited)
    second = await studio.channel.send("two", nonce="same")
    assert (second.id == first.id) is repeated


async def test_history_pages_like_discord_and_forgets_the_nonce(studio: Studio) -> None:
    studio.fake.limits.enabled = False
    ids = [(await studio.channel.send(str(n), nonce=f"n{n}")).id for n in range(5)]
    newest = [m async for m in studio.channel.history(limit=2)]
    assert [m.id for m in newest] == [ids[4], ids[3]]
    assert newest[0].nonce is None
    after = [m.id async for m in studio.channel.history(after=discord.Object(ids[1]), limit=2)]
    assert after == ids[2:4]
    context = [m.id async for m in studio.channel.history(around=discord.Object(ids[2]), limit=3)]
    assert sorted(context) == ids[1:4]


async def test_a_layout_view_shows_its_text_and_its_picture(studio: Studio) -> None:
    sent, note = await studio.send(view=card("a cat", "cat.png"), file=picture())
    assert note.text == "a cat"
    gallery = sent.components[1]
    assert isinstance(gallery, discord.MediaGalleryComponent)
    assert gallery.items[0].media.url == sent.attachments[0].url
    assert [a.filename for a in note.shown_attachments] == ["cat.png"]
    _, unshown = await studio.send(view=card("a cat"), file=picture())
    assert unshown.shown_attachments == []
    await refusal(sent.edit(content="classic again"), 400, 50035)


async def test_a_message_beyond_discords_limits_is_refused(studio: Studio) -> None:
    studio.fake.limits.enabled = False
    many = discord.ui.LayoutView()
    for number in range(40):
        many.add_item(discord.ui.TextDisplay(str(number)))
    many.children[0].content = "x" * 4001  # type: ignore[attr-defined]
    for arguments in (
        {"content": "x" * 2001},
        {"view": card("no such file", "dog.png")},
        {"view": many},
        {"embed": discord.Embed(description="x" * 4097)},
        {"content": "x", "nonce": "n" * 26},
    ):
        await refusal(studio.channel.send(**arguments), 400, 50035)
    await refusal(studio.channel.send(""), 400, 50006)


async def test_a_file_above_the_limit_is_40005(studio: Studio) -> None:
    studio.guild.upload_limit = 1000
    await refusal(studio.channel.send(file=picture(size=1001)), 413, 40005)
    studio.guild.upload_limit = MIB
    await studio.channel.send(file=picture(size=1001))


async def test_a_request_above_25_mib_is_40005_unless_the_server_takes_files_of_its_size(
    studio: Studio,
) -> None:
    def three(size: int) -> list[discord.File]:
        return [picture(size=size) for _ in range(3)]

    await refusal(studio.channel.send(files=three(9 * MIB)), 413, 40005)
    await studio.channel.send(files=three(8 * MIB))
    studio.guild.upload_limit = 50 * MIB
    await studio.channel.send(file=picture(size=26 * MIB))


async def test_permissions_channels_and_threads_answer_with_their_codes(studio: Studio) -> None:
    fake, general = studio.fake, studio.general

    async def is_refused(channel: Channel, status: int, code: int, **more: Any) -> None:
        await refusal(studio.bot.get_partial_messageable(channel.id).send("hello", **more), status, code)

    fake.withdraw(general, "attach_files")
    await is_refused(general, 403, 50013, file=picture())
    fake.withdraw(general, "send_messages")
    await is_refused(general, 403, 50013)
    fake.withdraw(general, "view_channel")
    await is_refused(general, 403, 50001)
    other = fake.add_text(studio.guild, "other")
    await is_refused(fake.add_thread(other, "locked", archived=True, locked=True), 400, 50083)
    sleeping = fake.add_thread(other, "sleeping", archived=True)
    await studio.bot.get_partial_messageable(sleeping.id).send("wakes it")
    assert not sleeping.archived
    await is_refused(fake.add_forum(studio.guild, "forum"), 400, 50008)
    studio.alice.accepts_dms = False
    await is_refused(fake.dm(studio.alice), 403, 50007)
    fake.delete_channel(other)
    for gone in (other, sleeping):
        await is_refused(gone, 404, 10003)
    fake.remove_bot(studio.guild)
    await is_refused(fake.add_text(studio.guild, "later"), 403, 50001)


async def test_only_allowed_mentions_ping(studio: Studio) -> None:
    bob = studio.fake.add_user("bob", studio.guild)
    text = f"@everyone <@{studio.alice.id}> <@{bob.id}>"
    _, loud = await studio.send(text)
    only_alice = discord.AllowedMentions(everyone=False, roles=False, users=[discord.Object(studio.alice.id)])
    _, quiet = await studio.send(text, allowed_mentions=only_alice)
    assert (loud.pinged, loud.pinged_everyone) == ({studio.alice.id, bob.id}, True)
    assert (quiet.pinged, quiet.pinged_everyone) == ({studio.alice.id}, False)


async def test_signed_links_serve_the_file_until_they_run_out(studio: Studio) -> None:
    sent = await studio.channel.send(file=picture())
    url = sent.attachments[0].url
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as fresh:
            assert (fresh.status, len(await fresh.read())) == (200, 64)
        async with session.get(url.replace("hm=", "hm=0")) as forged:
            assert forged.status == 404
        studio.fake.world.clock.advance(25 * 3600)
        async with session.get(url) as stale:
            assert stale.status == 404


async def test_the_sixth_message_in_five_seconds_is_a_429_with_its_headers(studio: Studio) -> None:
    url = f"{studio.fake.url}/api/v10/channels/{studio.general.id}/messages"
    headers = {"Authorization": f"Bot {studio.fake.token}"}
    replies = []
    async with aiohttp.ClientSession(headers=headers) as session:
        for _ in range(6):
            async with session.post(url, json={"content": "hi"}) as reply:
                replies.append(reply)
                body = await reply.json()
    *accepted, refused = replies
    assert [each.headers["X-RateLimit-Remaining"] for each in accepted] == ["4", "3", "2", "1", "0"]
    assert (refused.status, body["global"]) == (429, False)
    assert refused.headers["Via"]
    assert 0 < body["retry_after"] <= 5
    assert studio.fake.request_log.rate_limited[POST] == 1
    assert len(studio.shown) == 5
