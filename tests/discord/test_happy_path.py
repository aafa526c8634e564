"""A person types `/generate` and gets what was made, where it was asked for."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

from PIL import Image

from bot.runs import RunState
from demo.standin.deployments import CAPTION_ID, PICTURE_ID, VARIATIONS_ID, VIDEO_ID
from tests.discord.seen import RESULT_BUTTONS, buttons_of, galleries_of, pinged, text_of, texts
from tests.stage import Stage, stage

SEVERAL = f"""
[deployments.picture]
deployment_id = "{PICTURE_ID}"
[deployments.variations]
deployment_id = "{VARIATIONS_ID}"
[deployments.video]
deployment_id = "{VIDEO_ID}"
[deployments.caption]
deployment_id = "{CAPTION_ID}"
"""


def made(s: Stage) -> list[bytes]:
    """The files that ComfyDeploy's machine made, in order."""
    bucket = s.standin.world.bucket
    return [each.content for path, each in bucket._files.items() if path.startswith("outputs/")]


async def test_the_picture_comes_to_the_channel_and_the_status_message_goes(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox", seed=7)
        assert not asked.ephemeral
        assert "a fox" in text_of(s, asked.response)
        assert list(buttons_of(s, asked.response)) == ["Cancel"]
        await s.play()
        (message,) = s.messages()
        text = text_of(s, message)
        assert f"<@{s.alice.id}>" in text
        assert "Picture" in text
        assert "> a fox" in text
        assert "seed 7" in text
        assert list(buttons_of(s, message)) == RESULT_BUTTONS
        assert pinged(s) == [s.alice.id]
        assert (await s.run()).state is RunState.SUCCEEDED


async def test_the_file_is_the_machines_own_bytes_under_a_name_of_ours(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox", seed=7)
        await s.play()
        (message,) = s.messages()
        (attachment,) = message.attachments
        run = await s.run()
        assert attachment.filename == f"default-{run.key}-1.png"
        assert attachment.description == "a fox"
        data = await attachment.read()
        assert [hashlib.sha256(data).digest()] == [hashlib.sha256(each).digest() for each in made(s)]
        assert Image.open(BytesIO(data)).format == "PNG"
        assert galleries_of(s, message) == [1]


async def test_exactly_one_queue_call_carries_what_was_typed(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(
            s.channel, "generate", prompt="a fox", seed=7, style="ink", guidance=3.5, hires=True, gpu="L4"
        )
        await s.play()
        (call,) = s.calls
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
        assert "GPU L4" in texts(s)[0]


async def test_a_seed_left_out_is_drawn_sent_and_shown(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
        seed = (await s.run()).seed
        assert seed is not None
        assert f"seed {seed}" in text_of(s, asked.response)
        await s.play()
        (call,) = s.calls
        assert call.body["inputs"]["seed"] == seed
        assert "gpu" not in call.body
        assert f"seed {seed}" in texts(s)[0]


async def test_each_deployment_is_a_subcommand_of_its_own(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=SEVERAL) as s:
        assert s.alice.available_commands(s.channel)[:4] == (
            "generate picture",
            "generate variations",
            "generate video",
            "generate caption",
        )
        await s.alice.slash(s.channel, "generate video", prompt="a fox")
        await s.play()
        (message,) = s.messages()
        (attachment,) = message.attachments
        assert attachment.filename.startswith("video-")
        assert attachment.filename.endswith(".mp4")
        assert attachment.content_type == "video/mp4"
        assert galleries_of(s, message) == [1]
        assert s.calls[0].body["deployment_id"] == VIDEO_ID


async def test_words_come_as_words(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=SEVERAL) as s:
        await s.alice.slash(s.channel, "generate caption", prompt="a fox", seed=1)
        await s.play()
        (message,) = s.messages()
        assert not message.attachments
        assert "after the words “a fox”" in text_of(s, message)
        assert pinged(s) == [s.alice.id]


async def test_several_pictures_share_one_gallery(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=SEVERAL) as s:
        await s.alice.slash(s.channel, "generate variations", prompt="a fox", batch=4)
        await s.play()
        (message,) = s.messages()
        assert len(message.attachments) == 4
        assert galleries_of(s, message) == [4]


async def test_more_than_ten_files_take_a_second_message_that_pings_nobody(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=SEVERAL) as s:
        await s.alice.slash(s.channel, "generate variations", prompt="a fox", batch=12, width=256, height=256)
        await s.play()
        first, second = s.messages()
        assert [len(first.attachments), len(second.attachments)] == [10, 2]
        assert [*galleries_of(s, first), *galleries_of(s, second)] == [10, 2]
        names = [attachment.filename for message in (first, second) for attachment in message.attachments]
        assert len(set(names)) == 12
        assert pinged(s) == [s.alice.id]
