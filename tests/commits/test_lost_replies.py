"""After a lost reply of the database, a request has one outcome, one queue call, and a true answer.

The simulation loses every statement and reply; here the server is a real PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import BotError, StoreUnavailable
from bot.domain.runs import FINAL, RunState
from bot.strings import say
from tests.commits.proxy import Loss, PostgresProxy, Step, proxy_of
from tests.databases import Database, PostgresServer
from tests.harness import Harness, running_bot

# Texts that only one transaction of a request contains.
COMMITS = {
    "accept": "INSERT INTO runs",
    "claim": "claim_id=$",
    "record the queue reply": "run_id=$",
    "record the end": "INSERT INTO messages",
    "begin the post": "attempt=$",
    "store the post": "posted=$",
}


def commits_after(text: str) -> Callable[[Step], bool]:
    """Return a predicate for the COMMIT of a transaction with this text in a statement."""
    return lambda step: step.sql == "COMMIT" and any(text in sql for sql in step.path)


@asynccontextmanager
async def proxied(postgres: PostgresServer, folder: Path) -> AsyncIterator[tuple[Harness, PostgresProxy]]:
    """Run the bot in an offline Discord, with PostgreSQL behind a proxy."""
    url = await postgres.new_database()
    async with proxy_of(url) as (proxy, behind), running_bot(folder, database_url=behind) as bot:
        bot.runner.database = Database(behind, direct=url)
        yield bot, proxy
    postgres.give_back(url)


async def settled(bot: Harness) -> None:
    """Let leases and grace times expire; a worker that lost the database is run again."""
    for seconds in (0, 6, 70, 180, 70, 300):
        bot.runner.clock.move(seconds=seconds)
        await bot.env.advance_time(seconds)
        while True:
            try:
                await bot.play()
                break
            except StoreUnavailable:
                continue


def shown(bot: Harness, message: Any) -> str:
    """Return everything that Discord keeps of a message, its text and its components."""
    kept = bot.env.backend.get_message(bot.channel.id, message.id)
    return f"{kept.content} {kept.components}"


async def asked(bot: Harness) -> Any:
    return await bot.alice.slash(bot.channel, "generate", prompt="a fox")


@pytest.mark.parametrize("sql", COMMITS.values(), ids=COMMITS)
async def test_no_lost_reply_to_a_commit_loses_or_repeats_anything(
    sql: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    async with proxied(postgres, tmp_path) as (bot, proxy):
        proxy.lose(commits_after(sql))
        answer = await asked(bot)
        assert say("store_unavailable") not in shown(bot, answer.response)
        await settled(bot)
        assert proxy.lost is not None
        (run,) = await bot.runs()
        assert run.state in FINAL
        assert len(bot.calls) == (run.state is RunState.SUCCEEDED or run.submissions > 0)
        (outcome,) = bot.messages()
        assert "Cancel" not in shown(bot, outcome)


@pytest.mark.parametrize("loss", Loss)
async def test_a_database_that_goes_away_while_it_accepts_leaves_no_false_answer(
    loss: Loss, postgres: PostgresServer, tmp_path: Path
) -> None:
    async with proxied(postgres, tmp_path) as (bot, proxy):
        proxy.goes_away = True
        proxy.lose(commits_after("INSERT INTO runs"), loss)
        answer = await asked(bot)
        assert say("request_unknown") in shown(bot, answer.response)
        assert all(isinstance(getattr(error, "original", error), BotError) for error in bot.env.errors)
        proxy.goes_away, proxy.is_open = False, True
        await settled(bot)
        # A stored request runs; one that was not stored can't.
        assert [run.state for run in await bot.runs()] == ([RunState.SUCCEEDED] if loss is Loss.REPLY else [])
        assert len(bot.calls) == (loss is Loss.REPLY)
