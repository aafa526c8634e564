"""No folder for temporary files: the disk is full, or whoever runs the bot forgot a writable one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from bot.check.finding import Level
from bot.check.room import outputs
from bot.delivery.room import check_room
from bot.errors import StartupError
from bot.runs import RunState
from demo.standin.faults import Faults
from tests.discord.seen import pinged, text_of
from tests.stage import Stage, stage


async def asked(s: Stage) -> None:
    await s.alice.slash(s.channel, "generate", prompt="a fox")
    await s.play()


def take_the_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "gone"))


async def test_files_become_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(tmp_path) as s:
        take_the_room(tmp_path, monkeypatch)
        await asked(s)
        for _ in range(8):
            await s.later(minutes=11)
        (message,) = s.messages()
        assert not message.attachments
        assert "couldn't be fetched: [try it yourself](http" in text_of(s, message)
        assert pinged(s) == [s.alice.id]
        assert (await s.run()).state is RunState.SUCCEEDED


async def test_files_come_once_there_is_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(tmp_path) as s:
        with monkeypatch.context() as meanwhile:
            take_the_room(tmp_path, meanwhile)
            await asked(s)
        await s.later(minutes=1)
        (message,) = s.messages()
        assert len(message.attachments) == 1


async def test_a_failure_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(ends_as="failed"))
        take_the_room(tmp_path, monkeypatch)
        await asked(s)
        (message,) = s.messages()
        assert "failed" in text_of(s, message)


def test_the_start_and_the_check_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_room()
    assert outputs().level is Level.OK
    take_the_room(tmp_path, monkeypatch)
    assert outputs().level is Level.ERROR
    with pytest.raises(StartupError, match="No folder for temporary files can be written"):
        check_room()
