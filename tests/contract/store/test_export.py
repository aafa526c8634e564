"""Every run in order, in portions, whatever comes in between."""

from __future__ import annotations

from datetime import timedelta

from bot.store import Store
from bot.store.history import ExportFilter, ExportStore
from tests.contract.store.rows import stored_run
from tests.contract.store.runs import at


async def test_portions_miss_nothing_and_repeat_nothing(store: Store) -> None:
    # Three in each moment, so that portions end between them.
    made = [(at(number // 3), await stored_run(store, at=at(number // 3))) for number in range(10)]
    found = [run.key async for run in ExportStore(store.database).runs(ExportFilter(), chunk_size=2)]
    assert found == [key for _, key in sorted(made)]


async def test_since_counts_and_until_does_not(store: Store) -> None:
    keys = [await stored_run(store, at=at(number)) for number in range(5)]
    wanted = ExportFilter(since=at(1), until=at(3))
    assert [run.key async for run in ExportStore(store.database).runs(wanted)] == keys[1:3]


async def test_runs_that_come_meanwhile_are_told_at_the_end(store: Store) -> None:
    first = await stored_run(store, at=at(0))
    second = await stored_run(store, at=at(1))
    found = []
    async for run in ExportStore(store.database).runs(ExportFilter(), chunk_size=1):
        if run.key == second:
            third = await stored_run(store, at=at(1) + timedelta(seconds=1))
        found.append(run.key)
    assert found == [first, second, third]


async def test_one_server_alone(store: Store) -> None:
    await stored_run(store, at=at(0))
    export = ExportStore(store.database)
    assert [run.key async for run in export.runs(ExportFilter(guild_id=4711))] == []
