"""A member sends `/generate` and gets the result in the same channel, thread, post or voice chat."""

from __future__ import annotations

import aiohttp
import discord
import pytest

from demo.fake_comfydeploy.deployments import CAPTION_ID, PICTURE_ID, VARIATIONS_ID, VIDEO_ID
from tests.discord.channels import thread_in
from tests.discord.deployments import described
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import (
    RESULT_BUTTONS,
    buttons_of,
    galleries_of,
    one_result,
    pinged,
    refusal,
    text_of,
    texts,
)
from tests.harness import Harness

SEVERAL = described(picture=PICTURE_ID, variations=VARIATIONS_ID, video=VIDEO_ID, caption=CAPTION_ID)


async def test_the_picture_replaces_the_status_message(bot: Harness) -> None:
    typed = {"prompt": "a fox", "seed": 7, "style": "ink", "guidance": 3.5, "hires": True}
    asked = await bot.alice.slash(bot.channel, "generate", **typed, gpu="L4")
    assert not asked.ephemeral
    assert "a fox" in text_of(bot, asked.response)
    assert list(buttons_of(bot, asked.response)) == ["Cancel"]
    await bot.play()
    (call,) = bot.calls
    assert call.status == 200
    assert (call.body["deployment_id"], call.body["inputs"], call.body["gpu"]) == (PICTURE_ID, typed, "L4")
    assert call.body["webhook_intermediate_status"] is True
    message = await one_result(bot)
    text = text_of(bot, message)
    for part in (f"<@{bot.alice.id}>", "Picture", "> a fox", "seed 7", "GPU L4"):
        assert part in text
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    assert galleries_of(bot, message) == [1]


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_result_pings_its_requester_if_the_server_wants_it(bot: Harness, wanted: bool) -> None:
    await set_rules(bot, ping_requesters=wanted)
    assert f"<@{bot.alice.id}>" in text_of(bot, await bot.made())
    assert pinged(bot) == ([bot.alice.id] if wanted else [])


async def test_the_file_is_the_machines_own_bytes_under_a_name_of_ours(bot: Harness) -> None:
    (attachment,) = (await bot.made()).attachments
    run = await bot.run()
    assert attachment.filename == f"default-{run.key}-1.png"
    assert attachment.description == "a fox"
    async with aiohttp.ClientSession() as session, session.get(str(run.outputs[0].url)) as reply:
        assert await attachment.read() == await reply.read()


async def test_a_seed_left_out_is_drawn_sent_and_shown(bot: Harness) -> None:
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    seed = (await bot.run()).seed
    assert seed is not None
    assert f"seed {seed}" in text_of(bot, asked.response)
    await bot.play()
    (call,) = bot.calls
    assert call.body["inputs"]["seed"] == seed
    assert "gpu" not in call.body
    assert f"seed {seed}" in texts(bot)[0].lower()


@pytest.mark.bot(deployments=SEVERAL)
async def test_each_deployment_is_a_subcommand_of_its_own(bot: Harness) -> None:
    assert bot.alice.available_commands(bot.channel)[:4] == (
        "generate picture",
        "generate variations",
        "generate video",
        "generate caption",
    )
    message = await bot.made(command="generate video")
    (attachment,) = message.attachments
    assert attachment.filename.startswith("video-")
    assert attachment.filename.endswith(".mp4")
    assert attachment.content_type == "video/mp4"
    assert galleries_of(bot, message) == [1]
    assert bot.calls[0].body["deployment_id"] == VIDEO_ID


@pytest.mark.bot(deployments=SEVERAL)
async def test_words_come_as_words(bot: Harness) -> None:
    message = await bot.made(command="generate caption", seed=1)
    assert not message.attachments
    assert "after the words “a fox”" in text_of(bot, message)
    assert pinged(bot) == [bot.alice.id]


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


async def test_direct_messages_are_not_even_offered_otherwise(bot: Harness) -> None:
    assert "generate" not in bot.alice.user.available_commands()


@pytest.mark.bot(allow_direct_messages=True)
async def test_a_button_in_direct_messages_is_refused_once_they_are_off(bot: Harness) -> None:
    await bot.alice.user.slash("generate", prompt="a fox")
    await bot.play()
    (message,) = bot.alice.user.dm_channel.history()
    await bot.restart(allow_direct_messages=False)
    refused = await bot.alice.user.click(message, label="Again")
    told = "I don't generate in direct messages here. Please use a server channel."
    assert text_of(bot, refused.response) == told
    await bot.play()
    assert len(bot.calls) == 1
