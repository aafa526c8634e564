"""Frequent queries use their indexes, so that they stay fast among many ended runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Select, insert

from bot.database.tables import runs
from bot.domain.queue.estimates import WINDOW
from bot.domain.runs import RunState
from bot.store import Store
from bot.store.claims import SERVED
from bot.store.ledger import BILLED, ROW, SERVER
from bot.store.reading.durations import QUEUE, SUCCESSES
from bot.store.reading.history import open_on_server
from bot.store.requests.usage import WAITING_IN_SERVER
from tests.contract.store.rows import ALICE, GUILD, plan_of, stored_run
from tests.contract.store.runs import NOW, columns

TODAY = {"of_day": NOW.date(), "of_guild": GUILD}
RECENT = {"of_deployment": "flux", "since": NOW - WINDOW}
OPEN_RUNS = {"runs_guild_state", "runs_due", "runs_ended"}
# Queries, and the indexes of which the databases choose one; those of `OPEN_RUNS` begin with the state.
CHOSEN: list[tuple[Select[Any], set[str]]] = [
    (SUCCESSES.params(on_gpu="L4", **RECENT), {"runs_succeeded"}),
    (SUCCESSES.params(on_gpu="", **RECENT), {"runs_succeeded"}),
    (BILLED.params(on_gpu="L4", **RECENT), {"runs_succeeded"}),
    (open_on_server(GUILD, 11, 0), OPEN_RUNS),
    (QUEUE.params(of_deployment="flux"), OPEN_RUNS),
]
# For so few rows PostgreSQL would rather scan the table, so these only show that an index can be used.
USABLE: list[tuple[Select[Any], str]] = [
    (ROW.params(**TODAY, of_person=ALICE), "usage"),
    (SERVER.params(**TODAY), "usage"),
    (WAITING_IN_SERVER.params(guild=GUILD, person=ALICE), "runs_guild_state"),
    (SERVED.params(since=NOW), "runs_ended"),
]


async def test_queries_use_their_indexes_among_many_ended_runs(store: Store) -> None:
    await stored_run(store, RunState.RUNNING, delivery=None)
    await stored_run(store, RunState.WAITING, delivery=None)
    for gpu in (None, "L4"):
        ended = await columns(store, await stored_run(store, delivery=None, expected_gpu=gpu))
        rows = []
        for hours in range(1, 1500):
            times = dict.fromkeys(("created_at", "submitted_at", "ended_at"), NOW - timedelta(hours=hours))
            rows.append(ended | times | {"key": f"{gpu} {hours}"})
        await store.database.write(Connection.execute, insert(runs), rows)
    for query in (SUCCESSES, BILLED):
        assert "state = 'succeeded'" in str(query)  # with a parameter, the partial index wouldn't apply
    for query, indexes in CHOSEN:
        plan = await plan_of(store, query)
        assert any(index in plan for index in indexes), plan
        if indexes == {"runs_succeeded"}:
            assert "Sort" not in plan
            assert "TEMP B-TREE" not in plan
    for query, index in USABLE:
        assert index in await plan_of(store, query, scans=False)
