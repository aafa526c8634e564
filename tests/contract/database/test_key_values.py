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


async def test_a_slot_of_a_clock_that_ran_ahead_is_ignored(store: Store) -> None:
    interval, later = timedelta(seconds=5), NOW + timedelta(minutes=1)
    for now, slot in ((NOW, NOW), (NOW, NOW + interval), (later, later)):
        assert await store.key_values.reserve_slot("ask", now, interval) == slot
    await store.key_values.reserve_slot("ask", NOW + timedelta(days=1), interval)
    assert await store.key_values.reserve_slot("ask", later, interval) == later
