"""The audit log: pages, exports, and the prompts and messages that its entries link to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bot.domain.messages.records import MessageRef
from bot.domain.moderation import AuditAction, AuditEntry, AuditFilter, StoredEntry
from bot.domain.runs import Run, RunState
from bot.store import Store
from bot.store.audit import add_entries, newest_first
from tests.contract.store.rows import ALICE, BOB, GUILD, plan_of, stored_rules
from tests.contract.store.runs import (
    NOW,
    PERSON,
    RULES,
    SOON,
    SUCCESS,
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


def numbers(page: Sequence[StoredEntry]) -> list[object]:
    return [line.entry.details["n"] for line in page]


async def test_pages_and_exports_have_no_gaps_even_within_one_instant(store: Store) -> None:
    # Three lines an instant: a page ends in the middle of one.
    entries = [entry(at=at(n // 3), details={"n": n}) for n in range(25)]
    await store.database.write(add_entries, *entries)
    pages = [await store.audit.page(GUILD, EVERYTHING, NOW, limit=10, offset=n) for n in (0, 10, 20)]
    assert [n for page in pages for n in numbers(page)] == list(range(24, -1, -1))
    chunks = [lines async for lines in store.audit.export(GUILD, EVERYTHING, NOW, chunk_size=5)]
    assert [numbers(lines) for lines in chunks] == [list(range(n, n - 5, -1)) for n in (24, 19, 14, 9, 4)]


async def test_a_page_in_the_middle_of_a_long_log_is_read_along_an_index(store: Store) -> None:
    entries = [
        entry(at=NOW + timedelta(minutes=n), subject_id=BOB if n % 50 == 0 else ALICE, guild_id=GUILD + n % 2)
        for n in range(4000)
    ]
    await store.database.write(add_entries, *entries)
    (last,) = await store.audit.page(GUILD, EVERYTHING, NOW, limit=1, offset=1000)
    for wanted, index in ((EVERYTHING, "audit_guild"), (AuditFilter(subject=BOB), "audit_subject")):
        plan = await plan_of(store, newest_first(GUILD, wanted, NOW, 11, last))
        assert index in plan
        # Already in order: neither SQLite's temporary B-tree nor a full sort on PostgreSQL.
        assert "TEMP B-TREE" not in plan
        assert "Seq Scan" not in plan


async def line_of(store: Store, run: Run) -> tuple[str | None, MessageRef | None]:
    """Return what the log shows of a request: its prompt and its message."""
    lines = await store.audit.page(GUILD, EVERYTHING, NOW, limit=50)
    keys = (run.key, run.request_key)
    (found,) = {(line.prompt, line.message) for line in lines if line.entry.run_key in keys}
    return found


async def test_an_entry_shows_its_runs_prompt_and_message(store: Store) -> None:
    run = await accepted(store)
    status, result = MessageRef(run.channel_id, 77), MessageRef(run.channel_id, 901)
    assert await line_of(store, run) == (run.prompt, status)
    assert await take(store, at(2)) is not None
    await store.runs.record_report(run.key, SUCCESS, at(3), SOON)
    assert await line_of(store, run) == (run.prompt, status)
    await posted(store, result, now=at(120))
    assert await line_of(store, run) == (run.prompt, result)
    await store.reviews.delete(run.key, PERSON.id, at(4))
    assert await line_of(store, run) == (run.prompt, None)
    await posted(store, now=at(120))
    await store.privacy.erase(PERSON.id, at(200))
    assert await line_of(store, run) == (None, None)


async def test_no_entry_links_to_a_private_or_deleted_message(store: Store) -> None:
    gone = await accepted(store)
    await store.runs.finish(gone.key, RunState.REFUSED, at(2), code="comfy_failed")
    await posted(store, MessageRef(gone.channel_id, 901), now=at(120))
    assert await line_of(store, gone) == (gone.prompt, MessageRef(gone.channel_id, 901))
    await store.reviews.discard(gone.key, PERSON.id, at(4))
    assert await line_of(store, gone) == (gone.prompt, None)
    await posted(store, now=at(120))
    await stored_rules(store, GUILD, RULES | {"private_results": True})
    private = await accepted(store, private=True)
    await store.runs.finish(private.key, RunState.REFUSED, at(5), code="comfy_failed")
    claim = await claimed(store, now=at(6))
    claim = claim.with_part(part_of(claim, MessageRef(private.channel_id, 902)))
    await release(store, claim, at(6), shown=True)
    assert await line_of(store, private) == (None, None)
