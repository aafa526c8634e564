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


# Only root can give files away; for others, what they own must remain theirs.
IS_ROOT = os.geteuid() == 0
OWNER = (12345, 54321) if IS_ROOT else (os.geteuid(), os.getegid())


def test_a_file_keeps_its_owner_mode_and_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "private").mkdir()
    Path(".env").symlink_to("private/settings")
    file = tmp_path / "private" / "settings"
    for mode in (0o600, 0o640, 0o644):
        file.write_text("DISCORD_TOKEN=old\n")
        file.chmod(mode)
        os.chown(file, *OWNER)
        assert write_env_file({"DISCORD_TOKEN": "secret", "COMFYDEPLOY_API_KEY": "key"})
        found = file.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (*OWNER, mode)
        assert file.read_text() == "DISCORD_TOKEN=secret\nCOMFYDEPLOY_API_KEY=key\n"
        assert [*file.parent.iterdir()] == [file]
    assert Path(".env").readlink() == Path("private/settings")


def test_a_new_file_is_its_folders_and_one_that_would_change_hands_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for owner, mode in ((OWNER, 0o600), ((0, OWNER[1]), 0o640) if IS_ROOT else (OWNER, 0o600)):
        os.chown(tmp_path, *owner)
        assert write_env_file({"DISCORD_TOKEN": "secret"})
        found = Path(".env").stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (*owner, mode)
        Path(".env").unlink()

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chown", refuse)
    assert write_env_file({"DISCORD_TOKEN": "secret"})  # a new file is the user's
    with pytest.raises(StartupError, match=r"can't be written \(Operation not permitted\)"):
        write_env_file({"DISCORD_TOKEN": "another"})
    assert [file.read_text() for file in tmp_path.iterdir()] == ["DISCORD_TOKEN=secret\n"]
