"""Frequent queries use their indexes, so that they stay fast among many ended runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Select

from bot.database.rows import insert_rows
from bot.domain.moderation import AuditFilter
from bot.domain.run_timing import WINDOW
from bot.domain.runs import RunState
from bot.store import Store, ledger
from bot.store.audit import newest_first
from bot.store.claims import ENDING
from bot.store.queue import BEHIND, FIRST, FRONT, TURN
from bot.store.reading.figures import BUSY, SUCCESSES, WAITING_IN_SERVER
from bot.store.reading.history import open_on_server
from tests.contract.store.rows import ALICE, BOB, GUILD, plan_of, stored_run
from tests.contract.store.runs import NOW, columns

RECENT = {"of_deployment": "flux", "since": NOW - WINDOW}
OPEN_RUNS = {"runs_guild_state", "runs_due", "runs_ended"}
# Queries, and the indexes of which the databases choose one; those of `OPEN_RUNS` begin with the state.
CHOSEN: list[tuple[Select[Any], set[str]]] = [
    (SUCCESSES.params(on_gpu="L4", **RECENT), {"runs_succeeded"}),
    (SUCCESSES.params(on_gpu="", **RECENT), {"runs_succeeded"}),
    (open_on_server(GUILD, 11, 0), OPEN_RUNS),
    (BUSY, {"runs_in_flight", *OPEN_RUNS}),
    (ENDING.params(by=NOW), {"requests_ending"}),
]
# For so few rows PostgreSQL would rather scan the table, so these only show that an index can be used.
USABLE: list[tuple[Select[Any], set[str]]] = [
    (ledger.TODAY.params(of_day=NOW.date(), of_guild=GUILD, of_person=ALICE), {"usage"}),
    (WAITING_IN_SERVER.params(guild=GUILD, person=ALICE, now=NOW, of="pause"), {"runs_guild_state"}),
    (TURN.params(of_deployment="flux", person=ALICE), {"runs_turns"}),
    (newest_first(GUILD, AuditFilter(), NOW, 11), {"audit_guild"}),
    (newest_first(GUILD, AuditFilter(subject=BOB), NOW, 11), {"audit_subject", "audit_user"}),
]


async def test_queries_use_their_indexes_among_many_ended_runs(store: Store) -> None:
    await stored_run(store, RunState.RUNNING, outcome=None)
    await stored_run(store, RunState.WAITING, outcome=None)
    for gpu in (None, "L4"):
        ended = await columns(store, await stored_run(store, outcome=None, expected_gpu=gpu))
        rows = []
        for hours in range(1, 1500):
            times = dict.fromkeys(("created_at", "submitted_at", "ended_at"), NOW - timedelta(hours=hours))
            rows.append(ended | times | dict.fromkeys(("key", "request_key"), f"{gpu} {hours}"))
        await store.database.write(insert_rows, rows)
    assert "state = 'succeeded'" in str(SUCCESSES)  # with a parameter, the partial index wouldn't apply
    for query, indexes in CHOSEN:
        plan = await plan_of(store, query)
        assert any(index in plan for index in indexes), plan
        if indexes == {"runs_succeeded"}:
            assert "Sort" not in plan
            assert "TEMP B-TREE" not in plan
    for query, indexes in USABLE:
        plan = await plan_of(store, query, scans=False)
        assert any(index in plan for index in indexes), plan


async def test_a_long_queue_is_read_from_its_front_without_rows(store: Store) -> None:
    """10,000 waiting runs of one server once stopped the bot for a third of a second at each claim."""
    for state in (RunState.RUNNING, RunState.WAITING):
        row = await columns(store, await stored_run(store, state, outcome=None, server_limit=1))
        keys = [dict.fromkeys(("key", "request_key"), f"{state} {n}") for n in range(3000)]
        others = [row | key | {"due_at": NOW, "queue_tag": n} for n, key in enumerate(keys)]
        await store.database.write(insert_rows, others)
    asked = {"now": NOW, "of_deployment": "flux"}
    plans = {
        "claim": await plan_of(store, FIRST.params(open=["flux"], avoided=[], now=NOW)),
        "front": await plan_of(store, FRONT.params(**asked)),
        "behind": await plan_of(
            store, BEHIND.params(last_queue_tag=50, last_created_at=NOW, last_key="k", **asked)
        ),
    }
    if store.database.is_sqlite:
        assert "SEARCH queued USING COVERING INDEX runs_queue" in plans["claim"]
        assert "SEARCH busy USING COVERING INDEX runs_in_flight" in plans["claim"]
    else:
        assert "Index Only Scan using runs_queue" in plans["claim"]
        assert "hashed SubPlan" in plans["claim"]
    assert "runs_queue" in plans["front"]
    assert "runs_places" in plans["behind"]
    for plan in plans.values():
        assert "Seq Scan on runs queued" not in plan
        assert "SCAN queued" not in plan
