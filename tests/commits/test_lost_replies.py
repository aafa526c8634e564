"""After a lost reply of the database, a request has one outcome, at most one queue call, and true answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.domain.runs import RunState
from bot.strings import say
from tests.commits.lives import LIVES, Told, bot_behind_proxy, committed_paths, one_request, told
from tests.commits.proxy import Loss, Step
from tests.databases import PostgresServer
from tests.discord.rendered import text_of
from tests.sampling import every_nth

COMMIT = "COMMIT"


# For some transactions of each life, a text that only their statements contain. The slow suite loses all.
SAMPLES = {
    "generated": {
        "accept": "INSERT INTO runs",
        "claim": "claim_id=$",
        "record the queue reply": "run_id=$",
        "record the end": "INSERT INTO messages",
        "begin the post": "attempt=$",
        "store the post": "posted=$",
    },
    "cancelled": {"cancel": "cancel_requested_at=$"},
    "approved": {"answer": "status_message_id=$", "approve": "decided_by=$"},
    "rejected": {"reject": "decided_by=$"},
}


def commits_after(text: str) -> Callable[[Step], bool]:
    """Return a predicate for the COMMIT of a transaction with this text in a statement."""
    return lambda step: step.sql == COMMIT and any(text in sql for sql in step.path)


@pytest.mark.parametrize("name", every_nth(list(SAMPLES), 2))
async def test_no_lost_reply_to_a_commit_contradicts_what_people_were_told(
    name: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    async with bot_behind_proxy(postgres, tmp_path, name) as (bot, proxy):
        for transaction, sql in SAMPLES[name].items():
            proxy.lose(commits_after(sql))
            await LIVES[name](bot)
            assert proxy.lost is not None, transaction


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("loss", Loss)
@pytest.mark.parametrize("name", LIVES)
async def test_no_lost_step_contradicts_what_people_were_told(
    name: str, loss: Loss, postgres: PostgresServer, tmp_path: Path
) -> None:
    live = LIVES[name]
    lost = set()
    async with bot_behind_proxy(postgres, tmp_path, name) as (bot, proxy):
        since = len(proxy.transactions)
        await live(bot)
        for path in committed_paths(proxy, since):
            proxy.lose(lambda step, path=path: step.path == path, loss)
            await live(bot)
            lost |= {path} if proxy.lost is not None else set()
    # Some transactions don't happen every time, such as one that finds nothing to do.
    assert len(lost) > 40


@pytest.mark.parametrize("loss", Loss)
async def test_a_database_that_goes_away_while_it_accepts_leaves_no_false_answer(
    loss: Loss, postgres: PostgresServer, tmp_path: Path
) -> None:
    async with bot_behind_proxy(postgres, tmp_path) as (bot, proxy):
        async with one_request(bot) as seen:
            proxy.goes_away = True
            proxy.lose(commits_after("INSERT INTO runs"), loss)
            asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
            assert text_of(bot, asked.response) == say("request_unknown")
            proxy.goes_away, proxy.is_open = False, True
            seen["told"] = told(bot, asked)
        assert seen["told"] is Told.MAYBE
        # A stored request runs; one that was not stored can't.
        expected = [RunState.SUCCEEDED] if loss is Loss.REPLY else []
        assert await bot.states() == expected
