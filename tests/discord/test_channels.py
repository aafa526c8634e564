"""Results come to the place they were asked for: threads, forum posts, voice chats, direct messages."""

from __future__ import annotations

import discord
import pytest

from tests.discord.channels import thread_in
from tests.discord.rendered import pinged, refusal, text_of, texts
from tests.harness import Harness


@pytest.mark.parametrize("place", ["thread", "forum post", "voice chat"])
async def test_the_result_comes_to(bot: Harness, place: str) -> None:
    channel = {
        "thread": lambda: thread_in(bot, bot.channel),
        "forum post": lambda: thread_in(bot, bot.guild.create_forum_channel("forum")),
        "voice chat": lambda: bot.guild.create_voice_channel("talk"),
    }[place]()
    await bot.ask(channel=channel)
    (message,) = bot.messages(channel)
    assert "> a fox" in text_of(bot, message)
    assert len(message.attachments) == 1
    assert bot.messages() == []
    assert pinged(bot) == [bot.alice.id]


async def test_an_archived_thread_wakes_up(bot: Harness) -> None:
    thread = thread_in(bot, bot.channel)
    await bot.alice.slash(thread, "generate", prompt="a fox")
    bot.env.backend.get_channel(thread.id).thread_metadata.archived = True
    await bot.play()
    assert len(bot.messages(thread)) == 1


async def test_a_locked_thread_is_refused_where_the_bot_may_not_manage_threads(bot: Harness) -> None:
    denied = {bot.env.bot.user: discord.PermissionOverwrite(manage_threads=False)}
    thread = thread_in(bot, bot.guild.create_text_channel("strict", overwrites=denied), locked=True)
    refused = await bot.alice.slash(thread, "generate", prompt="a fox")
    assert refusal(bot, refused).startswith("This thread is locked")
    await bot.play()
    assert bot.calls == []
    assert await bot.runs() == []


@pytest.mark.bot(allow_direct_messages=True)
async def test_direct_messages_work_where_the_operator_allows_them(bot: Harness) -> None:
    asked = await bot.alice.user.slash("generate", prompt="a fox")
    assert not asked.ephemeral
    await bot.play()
    (message,) = bot.alice.user.dm_channel.history()
    assert "> a fox" in text_of(bot, message)
    assert len(message.attachments) == 1
    assert (await bot.run()).guild_id is None


async def test_direct_messages_are_not_even_offered_otherwise(bot: Harness) -> None:
    assert "generate" not in bot.alice.user.available_commands()


@pytest.mark.bot(allow_direct_messages=True)
async def test_a_button_in_direct_messages_is_refused_once_they_are_off(bot: Harness) -> None:
    await bot.alice.user.slash("generate", prompt="a fox")
    await bot.play()
    (message,) = bot.alice.user.dm_channel.history()
    await bot.restart(allow_direct_messages=False)
    refused = await bot.alice.user.click(message, label="Again")
    assert refused.response.content == (
        "I don't generate in direct messages here. Please use a server channel."
    )
    await bot.play()
    assert len(bot.calls) == 1


async def test_two_people_get_each_their_own(bot: Harness) -> None:
    await bot.ask()
    await bot.ask(bot.bob, prompt="an owl")
    first, second = sorted(texts(bot), key=lambda text: "owl" in text)
    assert f"<@{bot.alice.id}>" in first
    assert "a fox" in first
    assert f"<@{bot.bob.id}>" in second
    assert "an owl" in second
    assert sorted(pinged(bot)) == sorted([bot.alice.id, bot.bob.id])
    assert len(bot.calls) == 2
