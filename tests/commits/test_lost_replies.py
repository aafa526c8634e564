"""After a lost reply of the database, a request has one outcome, one queue call, and a true answer.

The simulation loses every statement and reply; here the server is a real PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.domain.runs import RunState
from bot.strings import say
from tests.commits.proxy import Loss, PostgresProxy, Step, proxy_of
from tests.databases import Database, PostgresServer
from tests.e2e.bot_process import BotProcess, bot_process
from tests.fakediscord.interactions import Interaction

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
async def proxied(postgres: PostgresServer, folder: Path) -> AsyncIterator[tuple[BotProcess, PostgresProxy]]:
    """Run the bot with PostgreSQL behind a proxy, and with a clock on which leases soon run out."""
    url = await postgres.new_database()
    async with proxy_of(url) as (proxy, behind):
        database = Database(behind, direct=url)
        async with bot_process(folder, database=database) as home:
            home.speed = 10
            await home.start()
            yield home, proxy
        await database.close()
    postgres.give_back(url)


async def answered(home: BotProcess) -> Interaction:
    asking = await home.ask()
    await home.discord.wait_until(lambda: asking.shown)
    return asking


@pytest.mark.parametrize("sql", COMMITS.values(), ids=COMMITS)
async def test_no_lost_reply_to_a_commit_loses_or_repeats_anything(
    sql: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    async with proxied(postgres, tmp_path) as (home, proxy):
        proxy.lose(commits_after(sql))
        assert say("store_unavailable") not in (await answered(home)).text
        await home.settled(runs=1)
        assert proxy.lost is not None
        (run,) = await home.runs()
        assert len(home.comfydeploy.call_log.queue_calls) == (run.submissions > 0)
        await home.check_outcomes()


@pytest.mark.parametrize("loss", Loss)
async def test_a_database_that_goes_away_while_it_accepts_leaves_no_false_answer(
    loss: Loss, postgres: PostgresServer, tmp_path: Path
) -> None:
    async with proxied(postgres, tmp_path) as (home, proxy):
        proxy.goes_away = True
        proxy.lose(commits_after("INSERT INTO runs"), loss)
        assert say("request_unknown") in (await answered(home)).text
        proxy.goes_away, proxy.is_open = False, True
        # A stored request runs; one that was not stored can't.
        stored = loss is Loss.REPLY
        await home.settled(runs=stored)
        assert await home.states() == [RunState.SUCCEEDED] * stored
        assert len(home.comfydeploy.call_log.queue_calls) == stored
