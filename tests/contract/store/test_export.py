"""An export contains every run once, in order, even those that are added meanwhile."""

from __future__ import annotations

from datetime import timedelta

from bot.store import Store
from bot.store.history import ExportFilter, ExportStore
from tests.contract.store.rows import stored_run
from tests.contract.store.runs import at


async def test_chunks_contain_each_run_once(store: Store) -> None:
    # Three in each moment, so that portions end between them.
    made = [(at(number // 3), await stored_run(store, at=at(number // 3))) for number in range(10)]
    found = [run.key async for run in ExportStore(store.database).runs(ExportFilter(), chunk_size=2)]
    assert found == [key for _, key in sorted(made)]


async def test_since_is_inclusive_and_until_exclusive(store: Store) -> None:
    keys = [await stored_run(store, at=at(number)) for number in range(5)]
    export = ExportStore(store.database)
    assert [run.key async for run in export.runs(ExportFilter(since=at(1), until=at(3)))] == keys[1:3]
    assert [run.key async for run in export.runs(ExportFilter(guild_id=4711))] == []


async def test_runs_added_meanwhile_come_last(store: Store) -> None:
    first = await stored_run(store, at=at(0))
    second = await stored_run(store, at=at(1))
    found = []
    async for run in ExportStore(store.database).runs(ExportFilter(), chunk_size=1):
        if run.key == second:
            third = await stored_run(store, at=at(1) + timedelta(seconds=1))
        found.append(run.key)
    assert found == [first, second, third]
