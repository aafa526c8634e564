"""Both databases store a text from outside alike: without what one of them refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    String,
    Table,
    delete,
    insert,
    select,
)

from bot.database.tables import AsJson, CleanText, metadata
from bot.domain.requests import Holder
from bot.domain.runs import RunState
from bot.store import Store
from bot.store.presets import read_usable
from tests.contract.store.rows import ALICE, GUILD, active_blocks, block
from tests.contract.store.runs import NOW, SOON, accepted, brought_to, fetch, report

# NUL, which PostgreSQL doesn't store; half a surrogate pair, which neither does.
NUL, HALF = "\0", "\ud800"
TEXTS = [
    (table, column)
    for table in metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, CleanText | String)
]


def name_of(value: object) -> str | None:
    return getattr(value, "name", None)


def filler(column: Column[Any]) -> object:
    """Return any value that the column takes."""
    if isinstance(column.type, AsJson):
        return ()
    if isinstance(column.type, JSON):
        return {}
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, Float):
        return 1.0
    if isinstance(column.type, DateTime) or "DATETIME" in str(column.type).upper():
        return datetime(2026, 1, 1, tzinfo=UTC)
    return "x" if isinstance(column.type, CleanText) else 1


async def stored(store: Store, table: Table, column: Column[Any], value: object) -> Any:
    """Store a row with this value, and return the value that was read back."""
    row = {
        each.name: filler(each)
        for each in table.columns
        if not each.foreign_keys and (not each.nullable or each.primary_key)
    }
    for key in table.foreign_keys:
        row[key.parent.name] = (await accepted(store)).key

    def store_and_read(connection: Connection) -> Any:
        connection.execute(delete(table))
        connection.execute(insert(table).values({**row, column.name: value}))
        found = connection.scalar(select(column))
        connection.execute(delete(table))
        return found

    return await store.database.write(store_and_read)


@pytest.mark.parametrize(("table", "column"), TEXTS, ids=name_of)
async def test_texts_are_cleaned_and_kept_whole(store: Store, table: Table, column: Column[Any]) -> None:
    assert isinstance(column.type, CleanText)
    if not column.foreign_keys:
        assert await stored(store, table, column, f"é{NUL}{HALF}" + "x" * 2000) == "é?" + "x" * 2000


async def test_structured_values_come_back_as_they_were(store: Store) -> None:
    inputs = {"prompt": f"a {NUL} fox {HALF}"}
    run = await accepted(store, inputs=inputs)
    assert (await fetch(store, run.key)).inputs == inputs


async def test_a_step_may_contain_any_character(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.record_report(run.key, report(live_status=f"KSampler{NUL}", progress=0.5), NOW, SOON)
    assert (await fetch(store, run.key)).live_status == "KSampler"


async def test_a_reason_may_contain_any_character(store: Store) -> None:
    await block(store, ALICE, at=NOW, reason=f"no{NUL}{HALF}")
    (found,) = await active_blocks(store, NOW)
    assert found.reason == "no?"


async def test_a_name_that_is_too_long_is_not_found(store: Store) -> None:
    assert (await store.database.read(read_usable, ALICE, GUILD, name="x" * 5000 + NUL)).named == []
    assert not await store.presets.remove(Holder.PERSON, ALICE, "x" * 5000, by=ALICE, now=NOW)
    assert await store.runs.get("x" * 100 + NUL) is None
