"""How many requests are at ComfyDeploy, by person and place."""

from __future__ import annotations

from bot.domain.budgets import Running
from bot.domain.runs import IN_FLIGHT, RunState
from bot.store import Store
from bot.store.requests.usage import UsageStore
from tests.contract.store.rows import ALICE, BOB, GUILD, stored_run


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
