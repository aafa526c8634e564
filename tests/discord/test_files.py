"""Files of every kind are shown, recompressed to fit, or linked with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.domain.runs import RunState
from bot.media.outputs import MAX_FILES
from bot.ui.message_parts import CONTENT_TEXT
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.discord.actors import delete
from tests.discord.files import end_with_links, finish_with, picture, pictures, png, song
from tests.discord.rendered import buttons_of, pinged, text_of
from tests.harness import HELD, QUICK, Clock, Harness, running_bot

LARGE_SOUND = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(11 * 1024**2)


async def test_audio_comes_as_a_classic_message_that_has_a_player(bot: Harness) -> None:
    await finish_with(bot, {"a.wav": (song(), "audio/wav")})
    await bot.play()
    (message,) = bot.messages()
    assert not message.flags.components_v2
    assert message.content.startswith(f"<@{bot.alice.id}>")
    assert [attachment.filename[-4:] for attachment in message.attachments] == [".wav"]
    assert await message.attachments[0].read() == song()
    assert list(buttons_of(bot, message)) == ["Again", "4 more", "Edit", "⋯ More"]
    assert pinged(bot) == [bot.alice.id]


async def test_a_picture_above_the_servers_limit_is_recompressed(bot: Harness) -> None:
    large = picture(2100, 2100)
    await finish_with(bot, {"big.png": (large, "image/png")})
    await bot.play()
    (message,) = bot.messages()
    (attachment,) = message.attachments
    assert len(large) > 10 * 1024**2 > attachment.size > 100_000
    assert "big.png was recompressed to fit this server's upload limit." in text_of(bot, message)


async def test_anything_else_above_the_limit_is_linked(bot: Harness) -> None:
    await finish_with(bot, {"long.wav": (LARGE_SOUND, "audio/wav")})
    await bot.play()
    (message,) = bot.messages()
    assert not message.attachments
    assert "long.wav is too large to upload here: [open it](http" in text_of(bot, message)


@pytest.mark.parametrize("length", [1900, 2500, 8000])
async def test_a_link_too_long_for_a_message_is_in_a_text_file(bot: Harness, length: int) -> None:
    await bot.ask(faults=HELD)
    bot.comfydeploy.world.bucket.put("long.wav", LARGE_SOUND, "audio/wav")
    link = bot.comfydeploy.world.bucket.plain_link("long.wav") + "?X-Amz-Security-Token="
    link = link.ljust(length, "a")
    await end_with_links(bot, {"long.wav": link})
    await bot.play()
    (message,) = bot.messages()
    if length < CONTENT_TEXT:
        assert f"long.wav is too large to upload here: [open it]({link})" in text_of(bot, message)
        return
    (file,) = message.attachments
    assert (await file.read()).decode() == link
    name = file.filename.replace("_", "\\_")
    assert f"I couldn't attach long.wav: open the link in {name} while it works." in text_of(bot, message)
    await delete(bot, message)
    assert bot.messages() == []


async def test_files_beyond_the_limit_are_counted(bot: Harness) -> None:
    await finish_with(bot, pictures(MAX_FILES + 2))
    await bot.play()
    said = [text_of(bot, message) for message in bot.messages()]
    assert sum(len(message.attachments) for message in bot.messages()) == MAX_FILES
    assert sum("2 more files didn't fit into this message." in text for text in said) == 1


async def test_a_file_that_can_not_be_fetched_becomes_a_link(bot: Harness) -> None:
    await bot.ask(faults=Faults(body="expired"))
    await bot.later(minutes=11, times=8)
    (message,) = bot.messages()
    assert not message.attachments
    assert "couldn't be fetched: [try it yourself](http" in text_of(bot, message)
    assert pinged(bot) == [bot.alice.id]
    assert len(bot.calls) == 1


@pytest.mark.parametrize("refusals", [0, 1, 2], ids=["with files", "with links", "plainly"])
async def test_a_forbidden_address_is_not_linked_in_any_form(bot: Harness, refusals: int) -> None:
    await bot.ask(faults=HELD)
    bot.comfydeploy.world.bucket.put("good.png", png(), "image/png")
    good = bot.comfydeploy.world.bucket.plain_link("good.png")
    forbidden = ["https://minio:s3cret@storage.example/a", "http://169.254.169.254/meta", "ftp://10.0.0.7/a"]
    path = f"/channels/{bot.channel.id}/messages"
    for _ in range(refusals):
        bot.env.inject_error("POST", path, status=400, code=50035)
    await end_with_links(bot, {f"{number}.png": url for number, url in enumerate([good, *forbidden])})
    await bot.play()
    (message,) = bot.messages()
    shown = text_of(bot, message)
    assert len(message.attachments) == (not refusals)
    assert (good in shown) is bool(refusals)
    assert shown.count("is at an address I'm not allowed to open.") == len(forbidden)
    assert not any(url in shown for url in forbidden)


async def test_a_link_that_ran_out_is_renewed(tmp_path: Path) -> None:
    clock = Clock()
    clock.move(milliseconds=439)
    comfydeploy = FakeComfyDeploy(**QUICK, private_bucket=True, now=clock)
    async with running_bot(tmp_path, comfydeploy=comfydeploy, clock=clock) as bot:
        bot.env.inject_error("POST", "/channels/*/messages", status=503)
        await bot.ask()
        run = await bot.run()
        assert run.state is RunState.SUCCEEDED
        await bot.later(hours=2)
        assert await status_of(run.outputs[-1].url) == 403
        (message,) = bot.messages()
        assert len(message.attachments) == 1


async def status_of(url: Any) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return reply.status


@pytest.mark.bot(allow_private_media_networks="10.0.0.0/8")
async def test_a_file_outside_the_listed_networks_is_not_fetched(bot: Harness) -> None:
    await finish_with(bot, {"a.png": (png(), "image/png")})
    await bot.play()
    (message,) = bot.messages()
    assert not message.attachments
    assert "is at an address I'm not allowed to open." in text_of(bot, message)
