"""`python -m bot setup` as a process, with and without a terminal."""

from __future__ import annotations

import asyncio
import errno
import os
import pty
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from bot.domain.errors import StartupError
from bot.ops.setup import with_values, write_env_file
from demo.fake_comfydeploy.deployments import PICTURE_ID
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.launch import command
from tests.ports import free_port

NAMES = ("DISCORD_TOKEN", "COMFYDEPLOY_API_KEY", "COMFYDEPLOY_DEPLOYMENT_ID")
WRONG = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDe.no-such-token-at-all-0123456789"


class Terminal:
    """A terminal in which somebody runs `setup`; `shown` is everything on its screen."""

    def __init__(self, home: BotProcess, **more: str) -> None:
        self.home, self.more, self.shown = home, more, ""

    async def start(self) -> None:
        self.screen, inner = pty.openpty()
        os.set_blocking(self.screen, False)
        self.process = await asyncio.create_subprocess_exec(
            *command(self.home.discord.url, "bot", "setup"),
            env=self.home.environment() | dict.fromkeys(NAMES, "") | self.more,
            cwd=self.home.folder,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)

    async def sees(self, *words: str) -> None:
        """Wait until these words are on the screen, after what was typed last."""
        async with asyncio.timeout(60):
            while not all(word in self.shown for word in words):
                with suppress(BlockingIOError, OSError):
                    self.shown += os.read(self.screen, 10_000).decode()
                await asyncio.sleep(0.01)

    async def answers(self, question: str, text: str) -> None:
        await self.sees(question)
        self.shown = self.shown.rpartition(question)[2]
        os.write(self.screen, f"{text}\n".encode())

    async def ended(self) -> int:
        code = await asyncio.wait_for(self.process.wait(), 60)
        with suppress(BlockingIOError, OSError):
            self.shown += os.read(self.screen, 10_000).decode()
        os.close(self.screen)
        return code


def env_file(home: BotProcess) -> dict[str, str]:
    lines = (home.folder / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


async def test_somebody_answers_three_questions(home: BotProcess) -> None:
    terminal = Terminal(home)
    await terminal.start()
    await terminal.answers("DISCORD_TOKEN (hidden while you type): ", home.comfydeploy.api_key)
    await terminal.sees("it should have three parts, joined by dots.")
    assert "--anyway" not in terminal.shown
    await terminal.answers("DISCORD_TOKEN (hidden while you type): ", WRONG)
    await terminal.sees("Discord doesn't accept DISCORD_TOKEN.", "wasn't accepted")
    await terminal.answers("DISCORD_TOKEN (hidden while you type): ", home.discord.token)
    await terminal.sees("ok       Discord token: valid")
    await terminal.answers("COMFYDEPLOY_API_KEY (hidden while you type): ", home.comfydeploy.api_key)
    await terminal.sees("ComfyDeploy accepts it")
    assert home.discord.token not in terminal.shown
    assert home.comfydeploy.api_key not in terminal.shown
    await terminal.answers("COMFYDEPLOY_DEPLOYMENT_ID: ", "picture")
    await terminal.sees("must be a UUID", "27412095.")
    await terminal.answers("COMFYDEPLOY_DEPLOYMENT_ID: ", PICTURE_ID)
    await terminal.sees(f"Deployment: default ({PICTURE_ID})", "Invite link: https://discord.com/")
    assert await terminal.ended() == 0
    values = (home.discord.token, home.comfydeploy.api_key, PICTURE_ID)
    assert env_file(home) == dict(zip(NAMES, values, strict=True))
    assert (home.folder / ".env").stat().st_mode & 0o777 == 0o600
    # Again: each is kept.
    terminal = Terminal(home)
    await terminal.start()
    for name, hidden in zip(NAMES, ("hidden while you type; ", "hidden while you type; ", ""), strict=True):
        await terminal.sees(f"{name} ({hidden}empty keeps the present one): ")
        assert "Create a" not in terminal.shown
        await terminal.answers("empty keeps the present one): ", "")
    assert await terminal.ended() == 0
    assert ".env has these values already." in terminal.shown
    assert "Wrote" not in terminal.shown
    assert env_file(home) == dict(zip(NAMES, values, strict=True))


async def test_a_service_that_is_away_may_be_asked_later(home: BotProcess) -> None:
    more = {"COMFYDEPLOY_API_URL": f"http://127.0.0.1:{free_port()}/api"}
    terminal = Terminal(home, **more)
    await terminal.start()
    await terminal.answers("DISCORD_TOKEN (hidden while you type): ", home.discord.token)
    await terminal.answers("COMFYDEPLOY_API_KEY (hidden while you type): ", "a-new-key")
    await terminal.sees("ComfyDeploy can't be reached")
    await terminal.answers("Write it anyway? [y/N] ", "n")
    await terminal.answers("COMFYDEPLOY_API_KEY (hidden while you type): ", "another-key")
    await terminal.answers("Write it anyway? [y/N] ", "y")
    await terminal.answers("COMFYDEPLOY_DEPLOYMENT_ID: ", PICTURE_ID)
    await terminal.answers("Write it anyway? [y/N] ", "y")
    assert await terminal.ended() == 0
    assert env_file(home)["COMFYDEPLOY_API_KEY"] == "another-key"


async def test_ctrl_c_at_a_question_changes_nothing(home: BotProcess) -> None:
    terminal = Terminal(home)
    await terminal.start()
    await terminal.sees("DISCORD_TOKEN (hidden while you type): ")
    terminal.process.send_signal(signal.SIGINT)
    assert await terminal.ended() == 130
    assert not (home.folder / ".env").exists()


def test_what_cant_be_changed_safely_is_refused() -> None:
    with pytest.raises(StartupError, match="Write the three lines yourself"):
        with_values("DISCORD_TOKEN='open\nLOG_LEVEL=INFO", {"DISCORD_TOKEN": "a.b.c", "X": "${HOME}"})


def test_a_file_that_cannot_be_replaced_leaves_no_copy_of_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single file that is mounted into a container can't be replaced."""

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "replace", busy)
    with pytest.raises(StartupError, match=r"^.env can't be written \(Device or resource busy\)\.$"):
        write_env_file({"DISCORD_TOKEN": "secret"})
    assert not list(tmp_path.iterdir())
