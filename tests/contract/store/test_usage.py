"""How many requests are at ComfyDeploy, by person and place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Select, insert

from bot.database.tables import runs
from bot.domain.budgets import Running
from bot.domain.runs import IN_FLIGHT, RunState
from bot.store import Store
from bot.store.requests.usage import RESERVED_IN_SERVER, STARTED_IN_SERVER, UsageStore
from tests.contract.store.plans import plan_of
from tests.contract.store.rows import ALICE, BOB, GUILD, stored_run
from tests.contract.store.runs import NOW, columns


async def test_only_what_comfydeploy_has_counts_as_running(store: Store) -> None:
    for person, state in enumerate(RunState):
        await stored_run(store, state, person=person)
    usage = UsageStore(store.database)
    assert {
        state for person, state in enumerate(RunState) if (await usage.running(GUILD, person)).person
    } == IN_FLIGHT
    assert (await usage.running(GUILD, ALICE)).server == len(IN_FLIGHT)


async def test_people_servers_and_direct_messages_are_counted_apart(store: Store) -> None:
    for person, guild in ((ALICE, GUILD), (ALICE, GUILD), (BOB, GUILD), (ALICE, GUILD + 1), (ALICE, None)):
        await stored_run(store, RunState.RUNNING, person=person, guild=guild)
    usage = UsageStore(store.database)
    assert await usage.running(GUILD, ALICE) == Running(2, 3)
    assert await usage.running(GUILD + 1, BOB) == Running(0, 1)
    assert await usage.running(None, ALICE) == Running(1, 1)


@pytest.mark.parametrize("query", [STARTED_IN_SERVER, RESERVED_IN_SERVER], ids=["claim", "request"])
async def test_the_runs_of_a_day_are_found_without_reading_all_that_ever_ran(
    store: Store, query: Select[Any]
) -> None:
    ended = dict(await columns(store, await stored_run(store, delivery=None)))
    others = [{"key": f"k{n}", "submitted_at": NOW - timedelta(hours=n)} for n in range(1, 5000)]
    async with store.database.write() as connection:
        await connection.execute(insert(runs), [ended | other for other in others])
    day = {"guild": GUILD, "persons": [ALICE], "day_start": NOW - timedelta(hours=12)}
    assert "runs_submitted" in await plan_of(store, query.params(**day), scans=False)
