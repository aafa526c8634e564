"""The questions of the suites mean the same on both databases, and change nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import DBAPIError

from bot.database import tables
from bot.domain.runs import Output, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from tests import questions
from tests.databases import Database
from tests.questions import AuditEntry, Request, Run, Unsettled

AT = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
REQUEST = Request(
    key="a" * 16,
    created_at=AT,
    requester_id=1 << 61,
    guild_id=None,
    channel_id=2,
    deployment="picture",
    deployment_id="d",
    count=2,
    prompt="a fox",
)
FIRST = Run(
    request=REQUEST, key="a" * 16, state=RunState.SUCCEEDED, outputs=(Output("images", filename="a.png"),)
)
SECOND = Run(
    request=REQUEST, key="b" * 16, index=1, state=RunState.RUNNING, inputs={"seed": 7}, started_at=AT
)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    found = Database(url)
    yield found
    await found.close()


async def test_what_was_planted_is_found(database: Database) -> None:
    await questions.insert_runs(database, FIRST, SECOND)
    assert await questions.runs(database) == [FIRST, SECOND]
    assert await questions.runs(database, but={FIRST.key}) == [SECOND]
    assert await questions.unsettled(database) == Unsettled(accepted=2, in_review=0, runs=1, messages=0)
    await questions.delete_runs(database)
    assert await questions.runs(database) == await questions.messages(database) == []
    entry = AuditEntry(at=AT, guild_id=1, action="block", details={"reason": "spam"})
    await questions.insert_audit(database, entry)
    assert await questions.audit(database) == [entry]
    for rules in ({"retention_days": 30}, {"retention_days": 40}):
        await questions.insert_rules(database, 1, rules)
        assert await questions.rules(database, 1) == ServerRules(**rules)
    assert await questions.rules(database, 2) == ServerRules()
    assert not await questions.is_paused(database)
    assert await questions.webhook_secret(database) is None


async def test_a_question_can_not_write(database: Database) -> None:
    await questions.insert_runs(database, FIRST)
    with pytest.raises(DBAPIError, match=r"read-?only"):
        await database.read(lambda connection: connection.execute(delete(tables.runs)))
    assert await questions.runs(database) == [FIRST]
