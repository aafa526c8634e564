"""Looking back: pages of one's own runs, what a server has open, and the index that leads there."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import insert, update

from bot.database.tables import deliveries, runs
from bot.domain.runs import DeliveryState, HistoryPage, RunFilter, RunState
from bot.store import Store
from bot.store.history import open_on_server
from tests.contract.store.plans import plan_of
from tests.contract.store.rows import ALICE, BOB, GUILD, stored_run
from tests.contract.store.runs import NOW, at, columns


def keys(page: HistoryPage) -> list[str]:
    return [entry.first.key for entry in page.entries]


async def test_pages_lead_through_all_of_ones_own_runs_and_back(store: Store) -> None:
    # Two in the same moment, so that a page may end between them.
    mine = [await stored_run(store, at=at(number // 2)) for number in range(7)]
    await stored_run(store, person=BOB)
    seen, pages, before = [], [], None
    while True:
        page = await store.history.page(ALICE, limit=3, before=before)
        pages.append(keys(page))
        seen += keys(page)
        if page.older is None:
            break
        before = page.older
    assert sorted(seen) == sorted(mine)
    assert [len(one) for one in pages] == [3, 3, 1]
    assert page.newer is not None
    back = await store.history.page_after(ALICE, limit=3, run_filter=RunFilter.ALL, after=page.newer)
    assert keys(back) == pages[1]
    assert back.newer is not None
    first = await store.history.page_after(ALICE, limit=3, run_filter=RunFilter.ALL, after=back.newer)
    assert keys(first) == pages[0]
    assert first.newer is None


async def test_a_filter_lets_through_its_states(store: Store) -> None:
    for state in RunState:
        await stored_run(store, state)
    for run_filter, states in {
        RunFilter.WAITING: {RunState.AWAITING_APPROVAL, RunState.WAITING},
        RunFilter.RUNNING: {RunState.SUBMITTING, RunState.QUEUED, RunState.RUNNING, RunState.UPLOADING},
        RunFilter.DONE: {RunState.SUCCEEDED},
        RunFilter.FAILED: {RunState.FAILED, RunState.TIMED_OUT, RunState.REFUSED, RunState.UNCONFIRMED},
        RunFilter.ENDED: {RunState.CANCELLED, RunState.REJECTED, RunState.EXPIRED},
        RunFilter.ALL: set(RunState),
    }.items():
        page = await store.history.page(ALICE, limit=50, run_filter=run_filter)
        assert {entry.first.state for entry in page.entries} == states, run_filter


async def test_the_kept_are_those_whose_message_found_no_way(store: Store) -> None:
    await stored_run(store)
    await stored_run(store, delivery=None)
    kept = await stored_run(store, delivery=DeliveryState.UNDELIVERED)
    await stored_run(store, delivery=DeliveryState.UNDELIVERED, person=BOB)
    page = await store.history.page(ALICE, limit=5, run_filter=RunFilter.UNDELIVERED)
    assert keys(page) == [kept]
    assert page.entries[0].undelivered


async def test_a_servers_queue_is_what_runs_then_what_waits_then_what_moderators_hold(store: Store) -> None:
    held = await stored_run(store, RunState.AWAITING_APPROVAL, at=at(0))
    second = await stored_run(store, RunState.WAITING, at=at(1), queue_position=2)
    first = await stored_run(store, RunState.WAITING, at=at(2), queue_position=1, person=BOB)
    unnumbered = await stored_run(store, RunState.WAITING, at=at(0))
    young = await stored_run(store, RunState.QUEUED, at=at(4))
    old = await stored_run(store, RunState.RUNNING, at=at(3), person=BOB)
    await stored_run(store, RunState.SUCCEEDED)
    await stored_run(store, RunState.RUNNING, guild=GUILD + 1)
    await stored_run(store, RunState.RUNNING, guild=None)
    order = [old, young, first, second, unnumbered, held]
    found = await store.history.server_queue(GUILD, limit=10)
    assert [run.key for run in found] == order
    rest = await store.history.server_queue(GUILD, limit=2, offset=3)
    assert [run.key for run in rest] == order[3:5]


async def test_the_queue_goes_along_its_index_past_all_that_has_ended(store: Store) -> None:
    await stored_run(store, RunState.RUNNING, delivery=None)
    ended = dict(await columns(store, await stored_run(store, delivery=None)))
    async with store.database.write() as connection:
        others = [{"key": f"k{n}", "created_at": NOW - timedelta(hours=n)} for n in range(5000)]
        await connection.execute(insert(runs), [ended | other for other in others])
    plan = await plan_of(store, open_on_server(GUILD, 11, 0))
    # Each of these begins with the state, of which next to nothing is open.
    assert any(index in plan for index in ("runs_guild_state", "runs_due", "runs_ended"))


async def test_a_run_links_to_its_parents_result_while_that_is_shown(store: Store) -> None:
    parent = await stored_run(store)
    child = await store.runs.get(await stored_run(store, parent_key=parent))
    elsewhere = await store.runs.get(await stored_run(store, parent_key=parent, guild=None))
    assert child is not None
    assert elsewhere is not None
    assert await store.history.parent_link(child) is None
    async with store.database.write() as connection:
        own = deliveries.c.run_key == parent
        await connection.execute(update(deliveries).where(own).values(messages=[[99, 4], [2, 5], [2, 6]]))
    link = f"https://discord.com/channels/{GUILD}/2/5"
    assert await store.history.parent_link(child) == link
    assert await store.history.parent_link(elsewhere) is None
    async with store.database.write() as connection:
        await connection.execute(update(runs).where(runs.c.key == parent).values(deleted_at=NOW))
    assert await store.history.parent_link(child) is None
