"""Without a writable folder for temporary files, results become links or come later."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from bot.domain.errors import StartupError
from bot.domain.runs import RunState
from bot.media.download import require_temporary_folder
from demo.fake_comfydeploy.faults import Faults
from tests.discord.rendered import pinged, text_of
from tests.harness import Harness


def take_the_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "gone"))


async def test_files_become_links(bot: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_the_room(tmp_path, monkeypatch)
    await bot.ask()
    await bot.later(minutes=11, times=8)
    (message,) = bot.messages()
    assert not message.attachments
    assert "couldn't be fetched: [try it yourself](http" in text_of(bot, message)
    assert pinged(bot) == [bot.alice.id]
    assert (await bot.run()).state is RunState.SUCCEEDED


async def test_files_come_later(bot: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as meanwhile:
        take_the_room(tmp_path, meanwhile)
        await bot.ask()
    await bot.later(minutes=1)
    (message,) = bot.messages()
    assert len(message.attachments) == 1


async def test_a_failure_needs_no_room(bot: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bot.comfydeploy.next_faults(Faults(ends_as="failed"))
    take_the_room(tmp_path, monkeypatch)
    message = await bot.made()
    assert "Failed: " in text_of(bot, message)


def test_the_start_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_temporary_folder()
    take_the_room(tmp_path, monkeypatch)
    with pytest.raises(StartupError, match="No folder for temporary files can be written"):
        require_temporary_folder()
