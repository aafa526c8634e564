"""Frequent queries use their indexes, so that they stay fast among many ended runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Select, insert

from bot.database.tables import runs
from bot.domain.queue.estimates import WINDOW
from bot.domain.runs import RunState
from bot.store import Store
from bot.store.claims import SERVED
from bot.store.durations import QUEUE, SUCCESSES
from bot.store.history import open_on_server
from bot.store.requests.usage import RESERVED_IN_SERVER, STARTED_IN_SERVER
from tests.contract.store.rows import ALICE, GUILD, plan_of, stored_run
from tests.contract.store.runs import NOW, columns

TODAY = {"guild": GUILD, "persons": [ALICE], "day_start": NOW - timedelta(hours=12)}
RECENT = {"of_deployment": "flux", "since": NOW - WINDOW}
# Each query with its indexes, of which the two databases may choose different ones.
INDEXES: list[tuple[Select[Any], set[str]]] = [
    (STARTED_IN_SERVER.params(**TODAY), {"runs_submitted"}),
    (RESERVED_IN_SERVER.params(**TODAY), {"runs_submitted"}),
    (SUCCESSES.params(on_gpu="L4", **RECENT), {"runs_succeeded"}),
    (SUCCESSES.params(on_gpu="", **RECENT), {"runs_succeeded"}),
    # Each of these begins with the state, and few runs are open.
    (open_on_server(GUILD, 11, 0), {"runs_guild_state", "runs_due", "runs_ended"}),
    (QUEUE.params(of_deployment="flux"), {"runs_guild_state", "runs_due", "runs_ended"}),
    # PostgreSQL learns the moment only when the query runs, so it would expect a third of all rows.
    (SERVED, {"runs_ended"}),
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
        async with store.database.write() as connection:
            await connection.execute(insert(runs), rows)
    assert "state = 'succeeded'" in str(SUCCESSES)  # with a parameter, the partial index wouldn't apply
    for query, indexes in INDEXES:
        plan = await plan_of(store, query, scans="runs_succeeded" in indexes or len(indexes) > 1)
        assert any(index in plan for index in indexes), plan
        if "runs_succeeded" in indexes:
            assert "Sort" not in plan
            assert "TEMP B-TREE" not in plan
