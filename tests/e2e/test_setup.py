"""`python -m bot setup` at a real terminal, and how it writes `.env`."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import pty
import signal
from pathlib import Path

import pytest

from bot.domain.errors import StartupError
from bot.ops.setup import write_env_file
from tests.e2e.bot_process import PATIENCE, BotProcess
from tests.fakediscord.launch import command


async def test_ctrl_c_at_a_question_changes_nothing(home: BotProcess) -> None:
    screen, inner = pty.openpty()
    os.set_blocking(screen, False)
    process = await asyncio.create_subprocess_exec(
        *command(home.discord.url, "bot", "setup"),
        env=home.environment() | {"DISCORD_TOKEN": ""},
        cwd=home.folder,
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    shown = b""

    def is_asked() -> bool:
        nonlocal shown
        with contextlib.suppress(BlockingIOError):
            shown += os.read(screen, 10_000)
        return b"DISCORD_TOKEN (hidden while you type): " in shown

    await home.until(is_asked)
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 130
    os.close(screen)
    assert not (home.folder / ".env").exists()


def test_a_file_that_cannot_be_replaced_leaves_no_copy_of_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single file that is mounted into a container can't be replaced."""

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LOG_LEVEL=INFO\n")
    monkeypatch.setattr(os, "replace", busy)
    with pytest.raises(StartupError, match=r"^.env can't be written \(Device or resource busy\)\.$"):
        write_env_file({"DISCORD_TOKEN": "secret"})
    assert [file.read_text() for file in tmp_path.iterdir()] == ["LOG_LEVEL=INFO\n"]
