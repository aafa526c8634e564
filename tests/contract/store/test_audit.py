"""The audit log: pages, filters, exports, and the prompts and messages that its entries link to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete

from bot.database.tables import requests
from bot.domain.messages.records import MessageRef
from bot.domain.moderation import AuditAction, AuditEntry, AuditFilter, StoredEntry
from bot.domain.runs import Run, RunState
from bot.store import Store
from bot.store.audit import add_entries, newest_first
from tests.contract.store import batches
from tests.contract.store.rows import ALICE, BOB, GUILD, MOD, plan_of, stored_rules
from tests.contract.store.runs import (
    NOW,
    PERSON,
    RULES,
    SOON,
    SUCCESS,
    accept_for_review,
    accepted,
    at,
    claimed,
    part_of,
    posted,
    release,
    take,
)

EVERYTHING = AuditFilter()


def entry(**changes: Any) -> AuditEntry:
    return AuditEntry(
        **{
            "at": NOW,
            "guild_id": GUILD,
            "action": AuditAction.REQUEST,
            "actor_id": ALICE,
            "subject_id": ALICE,
            "deployment": "flux",
            **changes,
        }
    )


async def fill(store: Store, entries: list[AuditEntry]) -> None:
    await store.database.write(add_entries, *entries)


def numbers(page: Sequence[StoredEntry]) -> list[object]:
    return [line.entry.details["n"] for line in page]


async def test_pages_have_no_gaps_even_within_one_instant(store: Store) -> None:
    # Three lines an instant: a page ends in the middle of one.
    await fill(store, [entry(at=at(n // 3), details={"n": n}) for n in range(25)])
    pages = [await store.audit.page(GUILD, EVERYTHING, NOW, limit=10, offset=n) for n in (0, 10, 20)]
    assert [n for page in pages for n in numbers(page)] == list(range(24, -1, -1))


async def test_an_export_in_chunks_contains_each_entry_once(store: Store) -> None:
    await fill(store, [entry(at=at(n // 4), details={"n": n}) for n in range(23)])
    steps = [lines async for lines in store.audit.export(GUILD, EVERYTHING, NOW, chunk_size=5)]
    assert [len(lines) for lines in steps] == [5, 5, 5, 5, 3]
    assert [line.entry.details["n"] for lines in steps for line in lines] == list(range(22, -1, -1))


async def test_a_page_in_the_middle_of_a_long_log_is_read_along_an_index(store: Store) -> None:
    entries = [
        entry(at=NOW + timedelta(minutes=n), subject_id=BOB if n % 50 == 0 else ALICE, guild_id=GUILD + n % 2)
        for n in range(4000)
    ]
    await fill(store, entries)
    (last,) = await store.audit.page(GUILD, EVERYTHING, NOW, limit=1, offset=1000)
    for wanted, index in ((EVERYTHING, "audit_guild"), (AuditFilter(subject=BOB), "audit_subject")):
        plan = await plan_of(store, newest_first(GUILD, wanted, NOW, 11, last))
        assert index in plan
        # Already in order: neither SQLite's temporary B-tree nor a full sort on PostgreSQL.
        assert "TEMP B-TREE" not in plan
        assert "Seq Scan" not in plan


async def line_of(store: Store, run: Run) -> tuple[str | None, MessageRef | None]:
    """Return what the pages and the export show of a request: its prompt and its message."""
    lines = [*await store.audit.page(GUILD, EVERYTHING, NOW, limit=50)]
    lines += [line async for chunk in store.audit.export(GUILD, EVERYTHING, NOW) for line in chunk]
    keys = (run.key, run.request_key)
    shown = {(line.prompt, line.message) for line in lines if line.entry.run_key in keys}
    (found,) = shown  # all entries about a request show the same
    return found


async def post(store: Store, *channels: int) -> None:
    """Post the next outcomes, each into one of these channels."""
    for number, channel in enumerate(channels, 1):
        await posted(store, MessageRef(channel, 900 + number), now=at(120))


async def test_an_entry_shows_its_runs_prompt_and_message(store: Store) -> None:
    run = await accepted(store)
    assert run.prompt is not None
    status = MessageRef(run.channel_id, 77)
    assert await line_of(store, run) == (run.prompt, status)
    assert await take(store, at(2)) is not None
    await store.runs.record_report(run.key, SUCCESS, at(3), SOON)
    assert await line_of(store, run) == (run.prompt, status)
    await post(store, run.channel_id)
    assert await line_of(store, run) == (run.prompt, MessageRef(run.channel_id, 901))
    chunks = [lines async for lines in store.audit.export(GUILD, EVERYTHING, NOW, chunk_size=1)]
    assert {(chunk[0].prompt, chunk[0].message) for chunk in chunks} == {await line_of(store, run)}
    await store.reviews.delete(run.key, PERSON.id, at(4))
    assert await line_of(store, run) == (run.prompt, None)
    await posted(store, now=at(120))
    await store.privacy.erase(PERSON.id, at(200))
    assert await line_of(store, run) == (None, None)
    await store.database.write(
        lambda connection: connection.execute(delete(requests).where(requests.c.key == run.request_key))
    )
    assert await line_of(store, run) == (None, None)


async def test_no_entry_links_to_a_private_or_deleted_message(store: Store) -> None:
    gone = await accepted(store)
    await store.runs.finish(gone.key, RunState.REFUSED, at(2), code="comfy_failed")
    await post(store, gone.channel_id)
    assert await line_of(store, gone) == (gone.prompt, MessageRef(gone.channel_id, 901))
    await store.reviews.discard(gone.key, PERSON.id, at(4))
    assert await line_of(store, gone) == (gone.prompt, None)
    await stored_rules(store, GUILD, RULES | {"private_results": True})
    private = await accepted(store, private=True)
    await store.runs.finish(private.key, RunState.REFUSED, at(5), code="comfy_failed")
    claim = await claimed(store, now=at(6))
    while claim.message.request_key != private.request_key:  # what is left of the deleted one
        await release(store, claim, at(6), shown=True)
        claim = await claimed(store, now=at(6))
    claim = claim.with_part(part_of(claim, MessageRef(private.channel_id, 902)))
    await release(store, claim, at(6), shown=True)
    assert await line_of(store, private) == (None, None)


async def test_decisions_about_a_request_have_one_entry(store: Store) -> None:
    decided = [await accept_for_review(store, *batches.asked(3)) for _ in range(2)]
    await store.reviews.approve(decided[0].key, MOD, at(5))
    await store.reviews.reject(decided[1].key, MOD, "no", at(6))
    await store.runs.request_cancel(decided[0].key, at(7), by=PERSON.id)
    page = await store.audit.page(GUILD, EVERYTHING, NOW, limit=5)
    found = {(line.entry.action, line.entry.outcome, line.entry.details["runs"]) for line in page}
    assert found == {
        ("approve", None, 3),
        ("reject", None, 3),
        ("outcome", "rejected", 3),
        ("cancel", None, 3),
        ("outcome", "cancelled", 3),
    }
    assert len(page) == 5


async def test_a_late_success_changes_the_entry_about_the_end(store: Store) -> None:
    first, second = await batches.accepted(store, 2)
    for _ in range(2):
        assert await take(store, at(2)) is not None
    for run in (first, second):
        await store.runs.finish(run.key, RunState.TIMED_OUT, at(3), code="timed_out")
    ends = AuditFilter(action=AuditAction.OUTCOME)
    (line,) = await store.audit.page(GUILD, ends, NOW, limit=10)
    assert (line.entry.outcome, line.entry.details["results"]) == ("timed_out", "0 of 2")
    await batches.ended(store, second, now=at(60))
    (line,) = await store.audit.page(GUILD, ends, NOW, limit=10)
    assert (line.entry.at, line.entry.outcome) == (at(3), "succeeded")
    assert line.entry.details == {"runs": 2, "results": "1 of 2"}


async def test_no_entry_of_a_batch_links_to_its_message_after_the_deletion_of_the_only_result(
    store: Store,
) -> None:
    first, second = await batches.accepted(store, 2)
    for _ in range(2):
        assert await take(store, at(2)) is not None
    await batches.ended(store, second)
    await store.runs.finish(first.key, RunState.REFUSED, at(3), code="comfy_failed")
    await post(store, first.channel_id)
    assert (await line_of(store, first))[1] == MessageRef(first.channel_id, 901)
    await store.reviews.delete(second.key, PERSON.id, at(4))
    assert (await line_of(store, first))[1] is None
