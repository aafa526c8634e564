"""Named values that all processes share."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.store import Store
from tests.contract.store.runs import NOW


async def test_every_store_gets_the_same_secret(store: Store, other: Store) -> None:
    made = await asyncio.gather(*((store, other)[n % 2].key_values.secret("webhook") for n in range(20)))
    assert len(set(made)) == 1
    assert len(made[0]) >= 43
    assert await store.key_values.secret("another") != made[0]


async def test_concurrent_writes_replace_the_whole_value(store: Store, other: Store) -> None:
    assert await store.key_values.get("synced") is None
    values = [f"{n}" * 5000 for n in range(10)]
    await asyncio.gather(*((store, other)[n % 2].key_values.put("synced", v) for n, v in enumerate(values)))
    assert await other.key_values.get("synced") in values


async def test_a_prefix_is_taken_literally(store: Store) -> None:
    for name in ("sync:1", "sync:2", "sync_%", "syncX1"):
        await store.key_values.put(name, name)
    assert await store.key_values.with_prefix("sync:") == {"1": "sync:1", "2": "sync:2"}
    assert await store.key_values.with_prefix("sync_") == {"%": "sync_%"}
    assert await store.key_values.with_prefix("%") == {}


async def test_of_several_processes_one_changes_a_value_first(store: Store, other: Store) -> None:
    def count(before: str | None) -> tuple[str, int]:
        return f"🙂{before or ''}", len(before or "")

    counts = await asyncio.gather(*(each.key_values.change("n", count) for each in (store, other, store)))
    assert (sorted(counts), await other.key_values.get("n")) == ([0, 1, 2], "🙂🙂🙂")


async def test_slots_are_an_interval_apart_in_all_processes(store: Store, other: Store) -> None:
    interval, later = timedelta(seconds=5), NOW + timedelta(minutes=1)
    slots = [await each.key_values.reserve_slot("ask", NOW, interval) for each in (store, other, store)]
    assert slots == [NOW, NOW + interval, NOW + 2 * interval]
    assert await store.key_values.reserve_slot("another", NOW, interval) == NOW
    assert await other.key_values.reserve_slot("ask", later, interval) == later
    await other.key_values.reserve_slot("ask", NOW + timedelta(days=1), interval)  # a clock that runs ahead
    assert await store.key_values.reserve_slot("ask", later, interval) == later
