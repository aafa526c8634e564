from __future__ import annotations

import aiohttp
import discord
import pytest

from tests.fakediscord.faults import Fault
from tests.fakediscord.world import MIB
from tests.unit.fakediscord.bot import Buttons, card, picture
from tests.unit.fakediscord.harness import Studio

POST = "POST /channels/{channel_id}/messages"


async def test_a_file_is_posted_edited_and_deleted_and_the_books_remember_it(studio: Studio) -> None:
    sent = await studio.channel.send("done", file=picture(), nonce="k1-result0")
    note = studio.general.messages[sent.id]
    assert (note.nonce, note.attachments[0].filename, note.attachments[0].size) == (
        "k1-result0",
        "cat.png",
        64,
    )
    assert sent.attachments[0].size == 64
    await sent.edit(content="better")
    assert (note.content, note.history[0]["content"], len(note.attachments)) == ("better", "done", 1)
    await sent.edit(attachments=[])
    assert note.attachments == []
    await sent.delete()
    assert studio.fake.messages(studio.general) == []
    assert note.deleted_at is not None
    assert note in studio.fake.request_log.messages


async def test_a_repeated_nonce_returns_the_first_message(studio: Studio) -> None:
    first = await studio.channel.send("one", nonce="same")
    second = await studio.channel.send("two", nonce="same")
    assert (second.id, second.content) == (first.id, "one")
    studio.fake.world.clock.advance(301)
    third = await studio.channel.send("three", nonce="same")
    assert third.id != first.id


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
    sent = await studio.channel.send(view=card("a cat", "cat.png"), file=picture())
    note = studio.general.messages[sent.id]
    assert note.text == "a cat"
    gallery = sent.components[1]
    assert isinstance(gallery, discord.MediaGalleryComponent)
    assert gallery.items[0].media.url == sent.attachments[0].url
    assert [a.filename for a in note.shown_attachments] == ["cat.png"]
    unshown = await studio.channel.send(view=card("a cat"), file=picture())
    assert studio.general.messages[unshown.id].shown_attachments == []
    with pytest.raises(discord.HTTPException) as refused:
        await sent.edit(content="classic again")
    assert refused.value.code == 50035


async def test_what_a_message_may_not_hold_is_refused(studio: Studio) -> None:
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
        with pytest.raises(discord.HTTPException) as refused:
            await studio.channel.send(**arguments)
        assert refused.value.code == 50035, arguments
    with pytest.raises(discord.HTTPException) as empty:
        await studio.channel.send("")
    assert empty.value.code == 50006


async def test_a_file_above_the_limit_is_40005(studio: Studio) -> None:
    studio.guild.upload_limit = 1000
    with pytest.raises(discord.HTTPException) as refused:
        await studio.channel.send(file=picture(size=1001))
    assert (refused.value.status, refused.value.code) == (413, 40005)
    studio.guild.upload_limit = MIB
    assert (await studio.channel.send(file=picture(size=1001))).attachments[0].size == 1001


async def test_a_request_above_25_mib_is_40005_unless_the_server_takes_files_of_its_size(
    studio: Studio,
) -> None:
    def three(size: int) -> list[discord.File]:
        return [picture(size=size) for _ in range(3)]

    with pytest.raises(discord.HTTPException) as refused:
        await studio.channel.send(files=three(9 * MIB))
    assert (refused.value.status, refused.value.code) == (413, 40005)
    assert len((await studio.channel.send(files=three(8 * MIB))).attachments) == 3
    studio.guild.upload_limit = 50 * MIB
    assert (await studio.channel.send(file=picture(size=40 * MIB))).attachments[0].size == 40 * MIB


async def test_permissions_channels_and_threads_answer_with_their_codes(studio: Studio) -> None:
    fake, bot = studio.fake, studio.bot

    async def code_of(channel_id: int, **arguments: object) -> int:
        with pytest.raises(discord.HTTPException) as refused:
            await bot.get_partial_messageable(channel_id).send("hello", **arguments)  # type: ignore[call-overload]
        return refused.value.code

    fake.withdraw(studio.general, "attach_files")
    assert await code_of(studio.general.id, file=picture()) == 50013
    fake.withdraw(studio.general, "send_messages")
    assert await code_of(studio.general.id) == 50013
    fake.withdraw(studio.general, "view_channel")
    assert await code_of(studio.general.id) == 50001
    other = fake.add_text(studio.guild, "other")
    locked = fake.add_thread(other, "locked", archived=True, locked=True)
    assert await code_of(locked.id) == 50083
    sleeping = fake.add_thread(other, "sleeping", archived=True)
    await bot.get_partial_messageable(sleeping.id).send("wakes it")
    assert not sleeping.archived
    assert await code_of(fake.add_forum(studio.guild, "forum").id) == 50008
    studio.alice.accepts_dms = False
    assert await code_of(fake.dm(studio.alice).id) == 50007
    fake.delete_channel(other)
    assert await code_of(other.id) == 10003
    assert await code_of(sleeping.id) == 10003
    fake.remove_bot(studio.guild)
    assert await code_of(fake.add_text(studio.guild, "later").id) == 50001


async def test_only_allowed_mentions_ping(studio: Studio) -> None:
    bob = studio.fake.add_user("bob", studio.guild)
    text = f"@everyone <@{studio.alice.id}> <@{bob.id}>"
    loud = await studio.channel.send(text)
    only_alice = discord.AllowedMentions(everyone=False, roles=False, users=[discord.Object(studio.alice.id)])
    quiet = await studio.channel.send(text, allowed_mentions=only_alice)
    notes = studio.general.messages
    assert notes[loud.id].pinged == {studio.alice.id, bob.id}
    assert notes[loud.id].pinged_everyone
    assert notes[quiet.id].pinged == {studio.alice.id}
    assert not notes[quiet.id].pinged_everyone


async def test_a_direct_message_reaches_the_person(studio: Studio) -> None:
    user = await studio.bot.fetch_user(studio.alice.id)
    await user.send("psst", view=Buttons())
    [note] = studio.fake.messages(studio.fake.dm(studio.alice))
    assert (note.content, note.custom_ids) == ("psst", ["cancel", "edit"])


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


async def test_a_lost_reply_leaves_the_message_in_the_channel(studio: Studio) -> None:
    studio.fake.faults.add(POST, Fault.lose_reply())
    with pytest.raises(aiohttp.ClientError):
        await studio.channel.send("here all the same", nonce="k9")
    assert [m.content for m in studio.fake.messages(studio.general)] == ["here all the same"]
    again = await studio.channel.send("here all the same", nonce="k9")
    assert list(studio.general.messages) == [again.id]


@pytest.mark.parametrize("fault", [Fault.drop_before(), Fault.drop_halfway(), Fault.answer(503)])
async def test_a_post_that_broke_off_leaves_nothing(studio: Studio, fault: Fault) -> None:
    rule = studio.fake.faults.add(POST, fault)
    with pytest.raises((aiohttp.ClientError, discord.DiscordServerError)):
        await studio.channel.send("gone", file=picture(size=3 * MIB))
    assert rule.used == 1
    assert studio.fake.messages(studio.general) == []


async def test_a_rate_limit_is_told_and_honoured(studio: Studio) -> None:
    studio.fake.faults.add(POST, Fault.rate_limit(0.2))
    await studio.channel.send("after the wait")
    statuses = [r.status for r in studio.fake.request_log.calls("POST", "/channels/{channel_id}/messages")]
    assert statuses == [429, 200]
    assert not studio.fake.request_log.rate_limited


async def test_the_sixth_message_in_five_seconds_is_a_429_with_its_headers(studio: Studio) -> None:
    url = f"{studio.fake.url}/api/v10/channels/{studio.general.id}/messages"
    headers = {"Authorization": f"Bot {studio.fake.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        left = []
        for _ in range(5):
            async with session.post(url, json={"content": "hi"}) as reply:
                left.append(reply.headers["X-RateLimit-Remaining"])
        async with session.post(url, json={"content": "hi"}) as refused:
            body = await refused.json()
            assert refused.status == 429
            assert refused.headers["Via"]
    assert left == ["4", "3", "2", "1", "0"]
    assert 0 < body["retry_after"] <= 5
    assert body["global"] is False
    assert studio.fake.request_log.rate_limited[POST] == 1
    assert len(studio.fake.messages(studio.general)) == 5
