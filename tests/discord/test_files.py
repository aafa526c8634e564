"""Files of every kind: shown as Discord can show them, made to fit, or linked with a word about it."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.domain.runs import RunState
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.discord.files import finish_with, picture, song
from tests.discord.rendered import buttons_of, galleries_of, pinged, text_of
from tests.harness import QUICK, Clock, Harness, running_bot


async def test_audio_comes_as_a_classic_message_that_has_a_player(bot: Harness) -> None:
    await finish_with(bot, {"a.wav": (song(), "audio/wav")})
    await bot.play()
    (message,) = bot.messages()
    assert not message.flags.components_v2
    assert message.content.startswith(f"<@{bot.alice.id}>")
    assert [attachment.filename[-4:] for attachment in message.attachments] == [".wav"]
    assert await message.attachments[0].read() == song()
    assert list(buttons_of(bot, message)) == ["Again", "4 more", "Edit", "More", "Delete"]
    assert pinged(bot) == [bot.alice.id]


async def test_pictures_come_in_a_gallery_and_other_files_after_it(bot: Harness) -> None:
    files = {"a.png": (picture(8, 8), "image/png"), "a.wav": (song(), "audio/wav")}
    await finish_with(bot, files)
    await bot.play()
    first, second = bot.messages()
    assert galleries_of(bot, first) == [1]
    assert [attachment.filename[-4:] for attachment in second.attachments] == [".wav"]
    assert pinged(bot) == [bot.alice.id]


async def test_a_picture_above_the_servers_limit_is_recompressed(bot: Harness) -> None:
    large = picture(2100, 2100)
    await finish_with(bot, {"big.png": (large, "image/png")})
    await bot.play()
    (message,) = bot.messages()
    (attachment,) = message.attachments
    assert len(large) > 10 * 1024**2 > attachment.size > 100_000
    assert "big.png was recompressed to fit this server's upload limit." in text_of(bot, message)


async def test_large_pictures_are_recompressed_one_at_a_time(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decoded, each may take hundreds of megabytes."""
    run, lock = subprocess.run, threading.Lock()
    under_way: list[int] = []
    at_once: list[int] = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        with lock:
            under_way.append(1)
            at_once.append(len(under_way))
        done = run(*args, **kwargs)
        with lock:
            under_way.pop()
        return done

    large = (picture(2100, 2100), "image/png")
    monkeypatch.setattr(subprocess, "run", counted)
    await finish_with(bot, {"a.png": large, "b.png": large, "c.png": large})
    await bot.play()
    (message,) = bot.messages()
    assert galleries_of(bot, message) == [3]
    assert set(at_once) == {1}


async def test_anything_else_above_the_limit_is_linked(bot: Harness) -> None:
    body = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(11 * 1024**2)
    await finish_with(bot, {"long.wav": (body, "audio/wav")})
    await bot.play()
    (message,) = bot.messages()
    assert not message.attachments
    assert "long.wav is too large to upload here: [open it](http" in text_of(bot, message)


async def test_files_that_fit_one_by_one_are_split_over_messages_that_fit_as_well(bot: Harness) -> None:
    body = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(4 * 1024**2)
    await finish_with(bot, {f"{number}.wav": (body, "audio/wav") for number in range(8)})
    await bot.play()
    assert [len(message.attachments) for message in bot.messages()] == [5, 3]
    assert pinged(bot) == [bot.alice.id]


@pytest.mark.parametrize("body", ["wrong-type", "cut-off", "expired"])
async def test_a_file_that_can_not_be_had_is_a_sentence_in_the_end(bot: Harness, body: str) -> None:
    await bot.ask(faults=Faults.model_validate({"body": body}))
    await bot.later(minutes=11, times=8)
    (message,) = bot.messages()
    assert not message.attachments
    assert "couldn't be fetched: [try it yourself](http" in text_of(bot, message)
    assert pinged(bot) == [bot.alice.id]
    assert len(bot.calls) == 1


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
