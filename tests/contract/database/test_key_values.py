"""Small named values that every process shares."""

from __future__ import annotations

import asyncio

from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store.processes import in_processes


async def test_every_store_gets_the_same_secret(store: Store, other: Store) -> None:
    made = await asyncio.gather(*((store, other)[n % 2].notes.secret("webhook") for n in range(20)))
    assert len(set(made)) == 1
    assert len(made[0]) >= 43
    assert await store.notes.secret("another") != made[0]


def secret_of(url: str) -> str:
    async def read() -> str:
        store = Store(url)
        found = await store.notes.secret("webhook")
        await store.close()
        return found

    return asyncio.run(read())


async def test_two_processes_get_the_same_secret(store: Store, stores: Stores) -> None:
    made = await in_processes(2, secret_of, stores.url)
    assert made == [await store.notes.secret("webhook")] * 2


async def test_a_note_is_replaced_whole_also_by_two_at_once(store: Store, other: Store) -> None:
    assert await store.notes.get("synced") is None
    values = [f"{n}" * 5000 for n in range(10)]
    await asyncio.gather(*((store, other)[n % 2].notes.put("synced", v) for n, v in enumerate(values)))
    assert await other.notes.get("synced") in values


async def test_notes_are_found_by_a_prefix_taken_literally(store: Store) -> None:
    for name in ("sync:1", "sync:2", "sync_%", "syncX1"):
        await store.notes.put(name, name)
    assert await store.notes.with_prefix("sync:") == {"1": "sync:1", "2": "sync:2"}
    assert await store.notes.with_prefix("sync_") == {"%": "sync_%"}
    assert await store.notes.with_prefix("%") == {}


async def test_a_deployment_is_remembered_as_last_seen(store: Store) -> None:
    await store.notes.put_deployment("d-1", '{"a": "ü"}')
    await store.notes.put_deployment("d-1", '{"a": "🙂"}')
    assert await store.notes.get_deployment("d-1") == '{"a": "🙂"}'
    assert await store.notes.get_deployment("d-2") is None
