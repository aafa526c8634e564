"""Roles as processes of their own, on one PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from discord import Permissions

from demo.fake_comfydeploy.deployments import PICTURE_ID, VIDEO_ID
from tests.chaos.database import opened
from tests.e2e.bot_process import PATIENCE, BotProcess, bot_process, described, ready
from tests.fakediscord.world import User

SECRETS = ("DISCORD_TOKEN", "COMFYDEPLOY_API_KEY", "COMFYDEPLOY_DEPLOYMENT_ID")


@asynccontextmanager
async def beside(
    home: BotProcess, roles: str, *, without: tuple[str, ...] = (), **more: str
) -> AsyncIterator[None]:
    """Run another process over the same database; it has to end in order."""
    settings = home.environment() | {"ROLES": roles} | more
    env = {name: text for name, text in settings.items() if name not in without}
    log = home.folder / f"{roles}.log"
    process = await home.spawn(env=env, log=log)
    try:
        yield
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0, log.read_text(encoding="utf-8")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def owner(home: BotProcess) -> User:
    """Return the person whom the fake Discord names as the application's owner."""
    person = User(1, "owner")
    home.discord.world.users[person.id] = person
    home.discord.join(home.guild, person, permissions=Permissions.all().value)
    return person


@pytest.mark.timeout(300)
async def test_four_processes_make_one_picture_and_read_the_deployments_again(tmp_path: Path) -> None:
    """The web one knows neither key, the others take no webhooks."""
    file = tmp_path / "deployments.toml"
    file.write_text(described(paint=PICTURE_ID), encoding="utf-8")
    async with (
        opened("postgres", tmp_path) as database,
        bot_process(tmp_path, database=database, COMFYDEPLOY_DEPLOYMENT_ID="") as home,
        beside(home, "web", without=SECRETS),
        beside(home, "messenger", WEB_PORT="0"),
        beside(home, "reconcile", WEB_PORT="0"),
    ):
        await ready(home.port)
        await home.start(ROLES="gateway", WEB_PORT="0")
        await home.ask()
        await home.settled(runs=1)
        await home.check_outcomes()
        assert {webhook.answer for webhook in home.comfydeploy.call_log.webhook_attempts} == {204}
        file.write_text(described(paint=PICTURE_ID, film=VIDEO_ID), encoding="utf-8")
        await home.discord.slash(owner(home), home.channel, "reload")
        log = tmp_path / "reconcile.log"
        await home.until(lambda: "reloaded the deployments: added film" in log.read_text(encoding="utf-8"))
        await home.discord.wait_until(lambda: {"paint", "film"} <= home.offered())
        assert await home.stop() == 0
