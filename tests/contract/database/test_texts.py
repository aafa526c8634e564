"""Both databases store a text from outside alike: it fits, is truncated, or is refused."""

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

from bot.database.column_types import CleanText, CutString, ExactString
from bot.database.tables import metadata
from bot.domain.errors import DoesNotFit
from bot.domain.presets import Holder
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.rows import ALICE, GUILD, MOD
from tests.contract.store.runs import NOW, SOON, accept, accepted, at, brought_to, fetch, report, request

# NUL, which PostgreSQL doesn't store; half a surrogate pair, which neither does.
NUL, HALF = "\0", "\ud800"
COLUMNS = [
    (table, column)
    for table in metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, CleanText | CutString | ExactString | String)
]
CUT = [(table, column) for table, column in COLUMNS if isinstance(column.type, CutString)]
EXACT = [(table, column) for table, column in COLUMNS if isinstance(column.type, ExactString)]
FREE = [(table, column) for table, column in COLUMNS if isinstance(column.type, CleanText)]


def name_of(value: object) -> str | None:
    return getattr(value, "name", None)


def filler(column: Column[Any]) -> object:
    """Return any value that the column takes."""
    if isinstance(column.type, JSON):
        return {}
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, Float):
        return 1.0
    if isinstance(column.type, DateTime) or "DATETIME" in str(column.type).upper():
        return datetime(2026, 1, 1, tzinfo=UTC)
    return "x" if isinstance(column.type, CleanText | CutString | ExactString) else 1


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


def test_every_text_column_has_a_type_that_handles_long_texts() -> None:
    assert len(CUT) + len(EXACT) + len(FREE) == len(COLUMNS)
    assert {len(columns) > 1 for columns in (CUT, EXACT, FREE)} == {True}


@pytest.mark.parametrize(("table", "column"), CUT, ids=name_of)
async def test_texts_that_are_shown_are_truncated(store: Store, table: Table, column: Column[Any]) -> None:
    assert isinstance(column.type, CutString)
    found = await stored(store, table, column, f"é{NUL}{HALF}" + "x" * 5000)
    assert found == "é?" + "x" * (column.type.length - 2)


@pytest.mark.parametrize(("table", "column"), FREE, ids=name_of)
async def test_texts_without_a_limit_are_cleaned(store: Store, table: Table, column: Column[Any]) -> None:
    assert await stored(store, table, column, f"é{NUL}{HALF}" + "x" * 5000) == "é?" + "x" * 5000


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("table", "column"), EXACT, ids=name_of)
async def test_texts_that_are_compared_are_refused(store: Store, table: Table, column: Column[Any]) -> None:
    assert isinstance(column.type, ExactString)
    with pytest.raises(DoesNotFit):
        await stored(store, table, column, "x" * (column.type.length + 1))
    if not column.foreign_keys:
        longest = "x" * column.type.length
        assert await stored(store, table, column, longest[1:] + NUL + "y") == longest[1:] + "y"


async def test_structured_values_come_back_as_they_were(store: Store) -> None:
    inputs = {"prompt": f"a {NUL} fox {HALF}"}
    run = await accepted(store, inputs=inputs)
    assert (await fetch(store, run.key)).inputs == inputs


async def test_a_run_with_long_names_from_the_service_ends(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    step = "KSampler" * 100 + NUL
    await store.runs.record_report(run.key, report(live_status=step, progress=0.5), NOW, SOON)
    await store.runs.record_report(run.key, report(RunState.FAILED, gpu="H100" * 20), at(1), SOON, asked=True)
    ended = await fetch(store, run.key)
    assert (ended.state, ended.gpu_used) == (RunState.FAILED, "H100" * 8)
    assert ended.live_status == ("KSampler" * 100)[:200]


async def test_a_request_with_a_long_gpu_name_is_refused(store: Store) -> None:
    with pytest.raises(DoesNotFit):
        await accept(store, request(gpu="H100" * 20))
    await accept(store, request(gpu="H100"))


async def test_a_reason_may_contain_any_character(store: Store) -> None:
    await store.blocks.block(GUILD, ALICE, by=MOD, reason=f"no{NUL}{HALF}", until=None, now=NOW)
    (block,) = await store.blocks.list(GUILD, NOW, limit=10)
    assert block.reason == "no?"


async def test_a_name_that_is_too_long_is_not_found(store: Store) -> None:
    assert await store.presets.named(ALICE, GUILD, "x" * 5000 + NUL) == []
    assert not await store.presets.remove(Holder.PERSON, ALICE, "x" * 5000, by=ALICE, now=NOW)
    assert await store.runs.get("x" * 100 + NUL) is None
