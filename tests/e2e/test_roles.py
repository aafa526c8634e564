"""Roles as processes of their own, on one PostgreSQL: two of a kind, and what each needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.database import opened
from tests.e2e.bot_process import PATIENCE, BotProcess, bot_process, ready

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


async def test_a_second_process_with_the_same_shard_is_refused_in_a_sentence(
    home: BotProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.serve._LOCK_SECONDS", 0.1)
    await home.start()
    for port in (str(home.port), "0"):
        ended = await home.command(WEB_PORT=port)
        assert ended.code == 2
        sentence = "The bot is already running on this database, with shard 0. Stop that process, or"
        assert ended.err.strip().splitlines()[-1].startswith(sentence)
    await home.ask()
    await home.settled(runs=1)


@pytest.mark.timeout(300)
async def test_four_processes_make_one_picture(tmp_path: Path) -> None:
    """The web one knows neither key, the others take no webhooks."""
    async with (
        opened("postgres", tmp_path) as database,
        bot_process(tmp_path, database=database) as home,
        beside(home, "web", without=SECRETS),
        beside(home, "messenger", WEB_PORT="0"),
        beside(home, "reconcile", WEB_PORT="0"),
    ):
        await ready(home.port)
        await home.start(ROLES="gateway", WEB_PORT="0")
        await home.ask()
        await home.discord.wait_until(lambda: len(home.comfydeploy.call_log.queue_calls) == 1)
        (key,) = await home.keys()
        await home.discord.wait_until(lambda: home.outcomes(key) and not home.leftovers())
        (outcome,) = home.outcomes(key)
        assert outcome.attachments
        assert len(home.comfydeploy.call_log.queue_calls) == 1
        assert {webhook.answer for webhook in home.comfydeploy.call_log.webhook_attempts} == {204}
        assert await home.stop() == 0
