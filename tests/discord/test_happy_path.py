"""A person types `/generate` and gets what was made, where it was asked for."""

from __future__ import annotations

import hashlib
from io import BytesIO

import aiohttp
import pytest
from PIL import Image

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import CAPTION_ID, PICTURE_ID, VARIATIONS_ID, VIDEO_ID
from tests.discord.deployments import described
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, galleries_of, pinged, text_of, texts
from tests.harness import Harness

SEVERAL = described(picture=PICTURE_ID, variations=VARIATIONS_ID, video=VIDEO_ID, caption=CAPTION_ID)


async def made_by_the_machine(bot: Harness) -> bytes:
    """Return the only file of the only run, from where ComfyDeploy keeps it."""
    (output,) = (await bot.run()).outputs
    async with aiohttp.ClientSession() as session, session.get(str(output.url)) as reply:
        return await reply.read()


async def test_the_picture_comes_to_the_channel_and_the_status_message_goes(bot: Harness) -> None:
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox", seed=7)
    assert not asked.ephemeral
    assert "a fox" in text_of(bot, asked.response)
    assert list(buttons_of(bot, asked.response)) == ["Cancel"]
    await bot.play()
    (message,) = bot.messages()
    text = text_of(bot, message)
    assert f"<@{bot.alice.id}>" in text
    assert "Picture" in text
    assert "> a fox" in text
    assert "seed 7" in text
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    assert pinged(bot) == [bot.alice.id]
    assert (await bot.run()).state is RunState.SUCCEEDED


async def test_the_file_is_the_machines_own_bytes_under_a_name_of_ours(bot: Harness) -> None:
    await bot.ask(seed=7)
    (message,) = bot.messages()
    (attachment,) = message.attachments
    run = await bot.run()
    assert attachment.filename == f"default-{run.key}-1.png"
    assert attachment.description == "a fox"
    data = await attachment.read()
    assert hashlib.sha256(data).digest() == hashlib.sha256(await made_by_the_machine(bot)).digest()
    assert Image.open(BytesIO(data)).format == "PNG"
    assert galleries_of(bot, message) == [1]


async def test_exactly_one_queue_call_carries_what_was_typed(bot: Harness) -> None:
    await bot.ask(seed=7, style="ink", guidance=3.5, hires=True, gpu="L4")
    (call,) = bot.calls
    assert call.status == 200
    assert call.body["deployment_id"] == PICTURE_ID
    assert call.body["inputs"] == {
        "prompt": "a fox",
        "seed": 7,
        "style": "ink",
        "guidance": 3.5,
        "hires": True,
    }
    assert call.body["gpu"] == "L4"
    assert call.body["webhook_intermediate_status"] is True
    assert "GPU L4" in texts(bot)[0]


async def test_a_seed_left_out_is_drawn_sent_and_shown(bot: Harness) -> None:
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    seed = (await bot.run()).seed
    assert seed is not None
    assert f"seed {seed}" in text_of(bot, asked.response)
    await bot.play()
    (call,) = bot.calls
    assert call.body["inputs"]["seed"] == seed
    assert "gpu" not in call.body
    assert f"seed {seed}" in texts(bot)[0]


@pytest.mark.bot(deployments=SEVERAL)
async def test_each_deployment_is_a_subcommand_of_its_own(bot: Harness) -> None:
    assert bot.alice.available_commands(bot.channel)[:4] == (
        "generate picture",
        "generate variations",
        "generate video",
        "generate caption",
    )
    await bot.ask(command="generate video")
    (message,) = bot.messages()
    (attachment,) = message.attachments
    assert attachment.filename.startswith("video-")
    assert attachment.filename.endswith(".mp4")
    assert attachment.content_type == "video/mp4"
    assert galleries_of(bot, message) == [1]
    assert bot.calls[0].body["deployment_id"] == VIDEO_ID


@pytest.mark.bot(deployments=SEVERAL)
async def test_words_come_as_words(bot: Harness) -> None:
    await bot.ask(command="generate caption", seed=1)
    (message,) = bot.messages()
    assert not message.attachments
    assert "after the words “a fox”" in text_of(bot, message)
    assert pinged(bot) == [bot.alice.id]


@pytest.mark.bot(deployments=SEVERAL)
async def test_several_pictures_share_one_gallery(bot: Harness) -> None:
    await bot.ask(command="generate variations", batch=4)
    (message,) = bot.messages()
    assert len(message.attachments) == 4
    assert galleries_of(bot, message) == [4]


@pytest.mark.bot(deployments=SEVERAL)
async def test_more_than_ten_files_take_a_second_message_that_pings_nobody(bot: Harness) -> None:
    await bot.ask(command="generate variations", batch=12, width=256, height=256)
    first, second = bot.messages()
    assert [len(first.attachments), len(second.attachments)] == [10, 2]
    assert [*galleries_of(bot, first), *galleries_of(bot, second)] == [10, 2]
    names = [attachment.filename for message in (first, second) for attachment in message.attachments]
    assert len(set(names)) == 12
    assert pinged(bot) == [bot.alice.id]
