"""Lists of a user's runs and of a server's queue, links to a run's parent, and exports."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import update

from bot.database.tables import messages, runs
from bot.domain.messages.records import Form, MessageRef, Part, Place, Shows
from bot.domain.pages import RunFilter, RunListEntry
from bot.domain.results import CopyRequest
from bot.domain.runs import Deletions, Run, RunState
from bot.store import Store
from bot.store.reading.history import ExportFilter
from tests.contract.store import batches
from tests.contract.store.rows import ALICE, BOB, GUILD, MOD, stored_run
from tests.contract.store.runs import (
    NOW,
    PERSON,
    SOON,
    SUCCESS,
    at,
    brought_to,
    part_of,
    posted,
    release,
    submitted,
    take,
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


async def test_each_filter_shows_its_states(store: Store) -> None:
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
        page = await store.history.page(ALICE, run_filter, limit=50)
        assert {entry.first.state for entry in page} == states, run_filter


async def test_the_undelivered_filter_shows_undelivered_results(store: Store) -> None:
    await stored_run(store)
    await stored_run(store, outcome=None)
    kept = await stored_run(store, outcome="offered")
    await stored_run(store, outcome="offered", person=BOB)
    page = await store.history.page(ALICE, RunFilter.UNDELIVERED, limit=5)
    assert keys(page) == [kept]
    assert page[0].undelivered


async def test_a_servers_queue_is_ordered_running_waiting_unapproved(store: Store) -> None:
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
    assert [run.key for (run,) in found] == order
    rest = await store.history.server_queue(GUILD, limit=2, offset=3)
    assert [run.key for (run,) in rest] == order[3:5]


async def test_a_batch_is_one_entry_of_the_queue_with_its_ended_runs(store: Store) -> None:
    batch = await batches.accepted(store, 3)
    for _ in range(2):
        assert await take(store) is not None
    await batches.ended(store, batch[0])
    guild, keys = batch[0].guild_id or 0, [run.key for run in batch]
    other = await stored_run(store, RunState.WAITING, at=at(9), person=BOB, guild=guild)
    found = await store.history.server_queue(guild, limit=10)
    assert [[run.key for run in each] for each in found] == [keys, [other]]
    assert [each[0].key for each in await store.history.server_queue(guild, limit=1, offset=1)] == [other]


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


async def entry_of(store: Store, run: Run) -> RunListEntry:
    """Return the entry of `/runs` with this run."""
    page = await store.history.page(run.requester_id, limit=5)
    return next(entry for entry in page if entry.first.key == run.request_key)


@pytest.mark.parametrize(("by", "moderated"), [(PERSON.id, False), (MOD, True)])
async def test_an_entry_has_no_message_after_its_deletion(store: Store, by: int, moderated: bool) -> None:
    run = await submitted(store)
    await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
    outcome = MessageRef(run.channel_id, 901)
    await posted(store, outcome)
    entry = await entry_of(store, run)
    assert (entry.message, entry.deletions) == (outcome, Deletions())
    await store.reviews.delete(run.key, by, at(1))
    entry = await entry_of(store, run)
    assert (entry.message, entry.deletions) == (None, Deletions(outcome=True, by_moderator=moderated))


async def test_an_entry_has_no_message_after_the_message_of_a_failure_was_deleted(store: Store) -> None:
    run = await brought_to(store, RunState.REFUSED)
    await posted(store, MessageRef(run.channel_id, 901))
    await store.reviews.discard(run.key, PERSON.id, at(1))
    entry = await entry_of(store, run)
    assert (entry.message, entry.deletions) == (None, Deletions(outcome=True))


@pytest.mark.parametrize(("by", "moderated"), [(PERSON.id, False), (MOD, True)])
async def test_the_entry_of_a_batch_has_its_message_until_nothing_of_it_is_shown(
    store: Store, by: int, moderated: bool
) -> None:
    failed, *made = await batches.accepted(store, 3)
    for _ in range(3):
        assert await take(store) is not None
    await batches.ended(store, *made)
    await store.runs.finish(failed.key, RunState.REFUSED, NOW, code="comfy_failed")
    outcome = MessageRef(failed.channel_id, 901)
    await posted(store, outcome)
    assert (await entry_of(store, failed)).deletions == Deletions()
    await store.reviews.delete(made[0].key, by, at(1))
    entry = await entry_of(store, failed)
    assert (entry.message, entry.deletions) == (outcome, Deletions(partly=True, by_moderator=moderated))
    await store.reviews.delete(made[1].key, PERSON.id, at(2))
    entry = await entry_of(store, failed)
    assert (entry.message, entry.deletions) == (None, Deletions(outcome=True, by_moderator=moderated))


@pytest.mark.parametrize("by", [PERSON.id, MOD])
async def test_an_entry_tells_which_copy_a_moderator_deleted(store: Store, by: int) -> None:
    run = await submitted(store)
    await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
    outcome, copy = MessageRef(run.channel_id, 901), MessageRef(77, 902)
    await posted(store, outcome)
    asked = CopyRequest(key=run.key, shared_to=77)
    claim = await store.copies.claim(asked, "messenger", NOW, SOON)
    assert claim is not None
    await release(store, claim.with_part(part_of(claim, copy)), NOW, shown=True)
    await store.copies.delete(run.key, copy, by, at(1))
    entry = await entry_of(store, run)
    assert (entry.message, entry.deletions) == (outcome, Deletions(copy_by_moderator=by == MOD))
    await store.reviews.delete(run.key, PERSON.id, at(2))
    assert (await entry_of(store, run)).deletions == Deletions(outcome=True)


async def test_chunks_of_an_export_contain_each_run_once(store: Store) -> None:
    # Three in each moment, so that portions end between them.
    made = [(at(number // 3), await stored_run(store, at=at(number // 3))) for number in range(10)]
    found = [run.key async for run in store.history.export(ExportFilter(), chunk_size=2)]
    assert found == [key for _, key in sorted(made)]


async def test_since_of_an_export_is_inclusive_and_until_exclusive(store: Store) -> None:
    keys = [await stored_run(store, at=at(number)) for number in range(5)]
    between = ExportFilter(since=at(1), until=at(3))
    assert [run.key async for run in store.history.export(between)] == keys[1:3]
    elsewhere = ExportFilter(guild_id=4711)
    assert [run.key async for run in store.history.export(elsewhere)] == []


async def test_runs_added_during_an_export_come_last(store: Store) -> None:
    first = await stored_run(store, at=at(0))
    second = await stored_run(store, at=at(1))
    found = []
    async for run in store.history.export(ExportFilter(), chunk_size=1):
        if run.key == second:
            third = await stored_run(store, at=at(2))
        found.append(run.key)
    assert found == [first, second, third]
