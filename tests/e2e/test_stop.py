"""Signals that arrive during the start, while the bot waits for a server."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from demo.fake_comfydeploy.deployments import PICTURE_ID, VIDEO_ID
from tests.e2e.bot_process import PATIENCE, bot_process
from tests.fakediscord.faults import Fault


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Accept connections and never answer; yield the port, and an event for the first connection."""
    called, over = asyncio.Event(), asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await over.wait()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], called
        over.set()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("setting", "address"),
    [
        ("COMFYDEPLOY_API_URL", "http://127.0.0.1:{}/api"),
        ("DATABASE_URL", "postgresql+asyncpg://bot@127.0.0.1:{}/bot"),
    ],
)
async def test_a_start_that_waits_for_an_answer(
    tmp_path: Path, told: signal.Signals, setting: str, address: str
) -> None:
    async with silent_server() as (port, called), bot_process(tmp_path) as home:
        home.more[setting] = address.format(port)
        await home.launch()
        await asyncio.wait_for(called.wait(), PATIENCE)
        assert home.process is not None
        home.process.send_signal(told)
        assert await asyncio.wait_for(home.process.wait(), PATIENCE) == 0
        assert home.log.splitlines()[-1].endswith("bot.serve stopped")
        assert "Traceback" not in home.log


async def test_a_login_that_discord_does_not_answer(tmp_path: Path) -> None:
    async with bot_process(tmp_path) as home:
        home.discord.faults.add("*", Fault.delay(600), times=None)
        await home.launch()
        await home.until(lambda: "logging in" in home.log)
        assert await home.stop() == 0
        assert "Traceback" not in home.log


async def test_a_hang_up_during_the_start_is_not_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    file.write_text(f'[deployments.paint]\ndeployment_id = "{PICTURE_ID}"\n', encoding="utf-8")
    async with bot_process(tmp_path, COMFYDEPLOY_DEPLOYMENT_ID="") as home:
        home.discord.faults.add("*", Fault.delay(2))
        await home.launch()
        await home.until(lambda: "logging in" in home.log)
        with file.open("a", encoding="utf-8") as more:
            more.write(f'[deployments.film]\ndeployment_id = "{VIDEO_ID}"\n')
        assert home.process is not None
        home.process.send_signal(signal.SIGHUP)
        await home.until(lambda: "added film" in home.log)


async def test_a_command_that_is_broken_off_is_not_well(tmp_path: Path) -> None:
    async with silent_server() as (port, called), bot_process(tmp_path) as home:
        home.more["COMFYDEPLOY_API_URL"] = f"http://127.0.0.1:{port}/api"
        errors = tmp_path / "errors"
        process = await home.spawn("check", err=errors)
        await asyncio.wait_for(called.wait(), PATIENCE)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 130
        assert errors.read_text() == ""
