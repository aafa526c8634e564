"""SIGHUP lets the bot read the file again; a broken file changes nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from discord import Permissions

from demo.fake_comfydeploy.deployments import PICTURE_ID, VIDEO_ID
from tests.chaos.database import opened
from tests.e2e.bot_process import PATIENCE, BotProcess, bot_process
from tests.fakediscord.world import User

ONE = f'[deployments.paint]\ndeployment_id = "{PICTURE_ID}"\n'
TWO = f'{ONE}[deployments.film]\ndeployment_id = "{VIDEO_ID}"\n'


def options(home: BotProcess) -> set[str]:
    command = home.discord.commands.find("generate")
    return {option["name"] for option in command["options"]} if command else set()


async def test_sighup_reads_the_file_again(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    file.write_text(ONE, encoding="utf-8")
    async with bot_process(tmp_path, COMFYDEPLOY_DEPLOYMENT_ID="") as home:
        await home.start()
        assert home.process is not None
        file.write_text(TWO, encoding="utf-8")
        home.process.send_signal(signal.SIGHUP)
        await home.discord.wait_until(lambda: {"paint", "film"} <= options(home))
        file.write_text("a = " + "[" * 5_000, encoding="utf-8")
        home.process.send_signal(signal.SIGHUP)
        await home.until(
            lambda: "deployments.toml can't be read as TOML: its brackets are nested" in home.log
        )
        file.write_text("[deployments", encoding="utf-8")
        home.process.send_signal(signal.SIGHUP)
        await home.until(
            lambda: "kept the old deployments: deployments.toml can't be read as TOML: Exp" in home.log
        )
        assert {"paint", "film"} <= options(home)
        await home.discord.slash(home.alice, home.channel, "generate film", {"prompt": "a fox"})
        await home.settled(runs=1)
        assert home.rows("SELECT deployment, state FROM runs") == [("film", "succeeded")]
        assert await home.stop() == 0


def owner(home: BotProcess) -> User:
    """Return the person whom the fake Discord names as the application's owner."""
    person = User(1, "owner")
    home.discord.world.users[person.id] = person
    home.discord.join(home.guild, person, permissions=Permissions.all().value)
    return person


@asynccontextmanager
async def reconciling(home: BotProcess) -> AsyncIterator[Path]:
    """Run a second process without the gateway, and yield the path of its log."""
    log = home.folder / "reconcile.log"
    process = await home.spawn(env=home.environment() | {"ROLES": "reconcile", "WEB_PORT": "0"}, err=log)
    try:
        await home.until(lambda: "listening on" in log.read_text())
        yield log
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0


async def test_the_owners_command_reaches_every_process(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    file.write_text(ONE, encoding="utf-8")
    async with (
        opened("postgres", tmp_path) as database,
        bot_process(tmp_path, COMFYDEPLOY_DEPLOYMENT_ID="", DATABASE_URL=database.url) as home,
        reconciling(home) as log,
    ):
        await home.start(ROLES="gateway,web,courier")
        file.write_text(TWO, encoding="utf-8")
        asked = await home.discord.slash(owner(home), home.channel, "reload")
        await asked.wait_answer()
        await home.until(lambda: "reloaded the deployments: added film" in log.read_text())
        assert {"paint", "film"} <= options(home)
        assert await home.stop() == 0
