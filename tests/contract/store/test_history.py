"""Lists of a user's runs and of a server's queue, links to a run's parent, and exports."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update

from bot.database.tables import messages, runs
from bot.domain.messages.records import Form, Part, Place, Shows
from bot.domain.results import RunListEntry
from bot.store import Store
from bot.store.reading.history import ExportFilter
from tests.contract.store.rows import ALICE, BOB, GUILD, stored_run
from tests.contract.store.runs import (
    NOW,
    at,
)


def keys(page: Sequence[RunListEntry]) -> list[str]:
    return [entry.first.key for entry in page]


async def test_pages_contain_each_of_a_users_runs_once(store: Store) -> None:
    # Two in the same moment, so that a page may end between them.
    mine = [await stored_run(store, at=at(number // 2)) for number in range(7)]
    await stored_run(store, person=BOB)
    pages = [keys(await store.history.page(ALICE, limit=3, offset=offset)) for offset in (0, 3, 6, 9)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert sorted(key for page in pages for key in page) == sorted(mine)


def _part(channel_id: int, message_id: int, index: int) -> Part:
    return Part(
        channel_id=channel_id,
        message_id=message_id,
        shows=Shows.RESULT,
        rev=1,
        form=Form.FILES,
        place=Place.CHANNEL,
        index=index,
        of=2,
    )


async def test_a_run_links_to_its_parents_result_until_it_is_deleted(store: Store) -> None:
    parent = await stored_run(store)
    child = await store.runs.get(await stored_run(store, parent_key=parent))
    elsewhere = await store.runs.get(await stored_run(store, parent_key=parent, guild=None))
    assert child is not None
    assert elsewhere is not None
    assert await store.history.parent_link(child) is None
    sent = update(messages).values(posted=(_part(99, 4, 0), _part(2, 5, 0), _part(2, 6, 1)))
    await store.database.write(lambda connection: connection.execute(sent))
    link = f"https://discord.com/channels/{GUILD}/2/5"
    assert await store.history.parent_link(child) == link
    assert await store.history.parent_link(elsewhere) is None
    await store.database.write(
        lambda connection: connection.execute(update(runs).where(runs.c.key == parent).values(deleted_at=NOW))
    )
    assert await store.history.parent_link(child) is None


async def test_chunks_of_an_export_contain_each_run_once(store: Store) -> None:
    # Three in each moment, so that portions end between them.
    made = [(at(number // 3), await stored_run(store, at=at(number // 3))) for number in range(10)]
    expected = [key for _, key in sorted(made)]
    found = [run.key async for run in store.history.export(ExportFilter(), chunk_size=2)]
    assert found == expected
    # The filter includes `since`, but not `until`.
    between = ExportFilter(since=at(1), until=at(3), guild_id=GUILD)
    assert [run.key async for run in store.history.export(between)] == expected[3:9]
    assert [run async for run in store.history.export(ExportFilter(guild_id=4711))] == []
