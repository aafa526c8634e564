"""Results come to the place they were asked for: threads, forum posts, voice chats, direct messages."""

from __future__ import annotations

from pathlib import Path

import discord
import pytest

from tests.discord.places import thread_in
from tests.discord.seen import pinged, refusal, text_of, texts
from tests.stage import stage


@pytest.mark.parametrize("place", ["thread", "forum post", "voice chat"])
async def test_the_result_comes_to(tmp_path: Path, place: str) -> None:
    async with stage(tmp_path) as s:
        channel = {
            "thread": lambda: thread_in(s, s.channel),
            "forum post": lambda: thread_in(s, s.guild.create_forum_channel("forum")),
            "voice chat": lambda: s.guild.create_voice_channel("talk"),
        }[place]()
        await s.alice.slash(channel, "generate", prompt="a fox")
        await s.play()
        (message,) = s.messages(channel)
        assert "> a fox" in text_of(s, message)
        assert len(message.attachments) == 1
        assert s.messages() == []
        assert pinged(s) == [s.alice.id]


async def test_an_archived_thread_wakes_up(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        thread = thread_in(s, s.channel)
        await s.alice.slash(thread, "generate", prompt="a fox")
        s.env.backend.get_channel(thread.id).thread_metadata.archived = True
        await s.play()
        assert len(s.messages(thread)) == 1


async def test_a_locked_thread_is_refused_where_the_bot_may_not_manage_threads(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        denied = {s.env.bot.user: discord.PermissionOverwrite(manage_threads=False)}
        thread = thread_in(s, s.guild.create_text_channel("strict", overwrites=denied), locked=True)
        refused = await s.alice.slash(thread, "generate", prompt="a fox")
        assert refusal(s, refused).startswith("This thread is locked")
        await s.play()
        assert s.calls == []
        assert await s.runs() == []


async def test_direct_messages_work_where_the_operator_allows_them(tmp_path: Path) -> None:
    async with stage(tmp_path, allow_direct_messages=True) as s:
        asked = await s.alice.user.slash("generate", prompt="a fox")
        assert not asked.ephemeral
        await s.play()
        (message,) = s.alice.user.dm_channel.history()
        assert "> a fox" in text_of(s, message)
        assert len(message.attachments) == 1
        assert (await s.run()).guild_id is None


async def test_direct_messages_are_not_even_offered_otherwise(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        assert "generate" not in s.alice.user.available_commands()


async def test_a_button_in_direct_messages_is_refused_once_they_are_off(tmp_path: Path) -> None:
    async with stage(tmp_path, allow_direct_messages=True) as s:
        await s.alice.user.slash("generate", prompt="a fox")
        await s.play()
        (message,) = s.alice.user.dm_channel.history()
        await s.restart(allow_direct_messages=False)
        refused = await s.alice.user.click(message, label="Again")
        assert refused.response.content == (
            "I don't generate in direct messages here. Please use a server channel."
        )
        await s.play()
        assert len(s.calls) == 1


async def test_two_people_get_each_their_own(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        s.clock.move(seconds=1)
        await s.bob.slash(s.channel, "generate", prompt="an owl")
        await s.play()
        first, second = sorted(texts(s), key=lambda text: "owl" in text)
        assert f"<@{s.alice.id}>" in first
        assert "a fox" in first
        assert f"<@{s.bob.id}>" in second
        assert "an owl" in second
        assert sorted(pinged(s)) == sorted([s.alice.id, s.bob.id])
        assert len(s.calls) == 2
