"""Any two operations at once leave what they leave one after the other, in one of the two orders.

One process stops before a statement, the other goes as far as it can, and then both go on. Only the places
are tried that follow a statement about a table that the other one uses, too. This is on PostgreSQL, because
SQLite has one writer.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import asyncpg
import pytest
from sqlalchemy import event, make_url
from sqlalchemy.util import await_only

from bot.database.tables import metadata
from bot.domain.errors import BotError, StoreUnavailable
from bot.domain.messages import Claim
from bot.domain.runs import FINAL, Run
from bot.domain.transitions import Change
from bot.effects import Effects
from bot.store import Store
from tests.contract.store.operations import AGAIN, APART, LOCKS_MANY, OPERATIONS, Given, arrange, pairs
from tests.contract.store.runs import OPEN_TO_ALL
from tests.databases import PostgresServer

Pair = tuple[str, str]
TABLES = [table.name for table in metadata.sorted_tables]
# What differs by nature. An answer shows what is stored by then, however often that changed, and nothing
# once the request has ended. Only waiting runs have a place in the queue.
ROWS = """
WITH open AS (SELECT request_key FROM runs WHERE state <> ALL($1))
SELECT 'requests', to_jsonb(t)::text FROM requests t UNION ALL
SELECT 'runs', (CASE state WHEN 'waiting' THEN to_jsonb(t) ELSE to_jsonb(t) - 'queue_position' END
    - 'claim_id')::text FROM runs t UNION ALL
SELECT 'messages', (CASE purpose WHEN 'answer'
    THEN jsonb_build_object('key', request_key, 'pending',
        wanted_rev > shown_rev AND request_key IN (TABLE open))
    ELSE to_jsonb(t) END)::text FROM messages t UNION ALL
SELECT 'usage', to_jsonb(t)::text FROM usage t UNION ALL
SELECT 'queues', to_jsonb(t)::text FROM queues t UNION ALL
SELECT 'key_values', to_jsonb(t)::text FROM key_values t UNION ALL
SELECT 'server_rules', to_jsonb(t)::text FROM server_rules t UNION ALL
SELECT 'blocks', to_jsonb(t)::text FROM blocks t UNION ALL
SELECT 'audit', (to_jsonb(t) - 'id')::text FROM audit t UNION ALL
SELECT 'presets', (to_jsonb(t) - 'id')::text FROM presets t UNION ALL
SELECT 'channel_defaults', to_jsonb(t)::text FROM channel_defaults t
"""
# In the order of the table, which isn't that of the keys.
EMPTY = map("DELETE FROM {}".format, reversed(TABLES))
FILL = map("INSERT INTO {0} SELECT * FROM saved.{0}".format, TABLES)
RESET = "; ".join((*EMPTY, *FILL))
SAVE = "; ".join(map("CREATE TABLE saved.{0} AS SELECT * FROM {0} ORDER BY 1 DESC".format, TABLES))
WAITING = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
# Without these, a statement takes its locks in the order of the table unless it sorts the rows.
PLANS = ("indexscan", "bitmapscan", "indexonlyscan")
PAIRS = pairs()
DRAWN = [*APART, *random.Random(1).sample([pair for pair in PAIRS if pair not in APART], 60 - len(APART))]
GROUPS = 4


class Step(NamedTuple):
    """What a statement reads and changes: tables, and the names of advisory locks."""

    reads: frozenset[str]
    changes: frozenset[str]

    def meets(self, other: Step) -> bool:
        return bool(self.changes & (other.reads | other.changes) or self.reads & other.changes)


def step_of(statement: str, parameters: Sequence[object]) -> Step:
    if "pg_advisory" in statement:
        return Step(frozenset(), frozenset(map(str, parameters)))
    tables = frozenset(re.findall(r"(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)", statement)).intersection(TABLES)
    if statement.startswith("INSERT INTO audit"):
        return Step(tables, frozenset())  # two entries don't meet
    is_read = statement.startswith("SELECT") and "FOR UPDATE" not in statement
    return Step(tables, frozenset()) if is_read else Step(frozenset(), tables)


def places(steps: Sequence[Step], others: Sequence[Step]) -> list[int]:
    """Return the numbers of the statements to stop before, from 1."""
    return [number for number, each in enumerate(steps, 2) if any(each.meets(other) for other in others)]


class Process:
    """A store that may stop before a statement, until it is told to go on."""

    def __init__(self, store: Store, number: int) -> None:
        self.store, self.number = store, number
        self.steps, self.stop_at = list[Step](), 0
        self.stopped, self.go_on = asyncio.Event(), asyncio.Event()
        engine = store.database.engine
        event.listen(engine, "before_cursor_execute", lambda *found: self._before(step_of(*found[2:4])))
        event.listen(engine, "commit", lambda _: self._before(Step(frozenset(), frozenset())))

    def _before(self, step: Step) -> None:
        self.steps.append(step)
        if len(self.steps) == self.stop_at:
            self.stopped.set()
            await_only(self.go_on.wait())

    def start(self, name: str, given: Given, stop_at: int = 0) -> asyncio.Task[Any]:
        self.steps, self.stop_at = [], stop_at
        self.stopped.clear()
        self.go_on.clear()
        return asyncio.create_task(self._do(name, given))

    async def _do(self, name: str, given: Given) -> Any:
        """Return what the caller learns, in a form that can be compared."""
        try:
            return told(await OPERATIONS[name].call(self.store, given, self.number))
        except StoreUnavailable as error:  # a deadlock, or a lock that nobody releases
            return f"{self.number}: {error}"
        except BotError as error:
            return f"{type(error).__name__} {getattr(error, 'code', '')}"


def told(result: object) -> Any:
    match result:
        case Run():
            return [result.key, result.state]
        case Claim():
            return [result.message.request_key, result.message.purpose, result.message.number]
        case Change():
            return result.state
        case list() | tuple():
            return [told(each) for each in result]
        case _:
            return repr(result)


class Table:
    """The shared requests in a database, and two processes that change them."""

    def __init__(self, url: str, given: Given, control: Any, stores: Sequence[Store]) -> None:
        self.url, self.given, self.control = url, given, control
        self.processes = [Process(store, number) for number, store in enumerate(stores)]
        # The statements of a process by its number, after the number of the one that goes first.
        self.steps: dict[tuple[int, int], Sequence[Step]] = {}

    async def differences(self, chosen: Sequence[Pair]) -> dict[str, list[str]]:
        """Return how pairs differ from both orders."""
        found = {" and ".join(names): await self.difference(names) for names in chosen}
        return {names: those for names, those in found.items() if those}

    async def difference(self, names: Pair) -> list[str]:
        orders = [await self._one_by_one(names, first) for first in (0, 1)]
        seen = {}
        for first in (0, 1):
            others = [*self.steps[0, 1 - first], *self.steps[1, 1 - first]]
            for place in places(self.steps[first, first], others):
                seen[f"{names[first]!r} stopped at {place}"] = await self._stopped(names, first, place)
            if LOCKS_MANY.issuperset(names):
                for key in self.given.keys:
                    seen[f"{names[first]!r} first, {key} held"] = await self._held_up(names, first, key)
        return [f"{how}: {changes(orders, one)}" for how, one in seen.items() if one not in orders]

    async def _one_by_one(self, names: Pair, first: int) -> Any:
        await self.control.execute(RESET)
        results: list[Any] = [None, None]
        for number in (first, 1 - first):
            results[number] = await self.processes[number].start(names[number], self.given)
            self.steps[first, number] = self.processes[number].steps
        return await self._after(names, results)

    async def _stopped(self, names: Pair, first: int, place: int) -> Any:
        """Stop one process before its statement at this place, until the other is done or waits for it."""
        await self.control.execute(RESET)
        process = self.processes[first]
        tasks = {first: process.start(names[first], self.given, place)}
        stopped = asyncio.create_task(process.stopped.wait())
        await asyncio.wait({stopped, tasks[first]}, return_when=asyncio.FIRST_COMPLETED)
        assert stopped.done(), f"{names[first]} has fewer statements than before"
        tasks[1 - first] = self.processes[1 - first].start(names[1 - first], self.given)
        await self._wait([tasks[1 - first]])
        process.go_on.set()
        return await self._after(names, [await tasks[number] for number in (0, 1)])

    async def _held_up(self, names: Pair, first: int, key: str) -> Any:
        """Hold a request until both processes wait for it, with the locks that they have by then."""
        await self.control.execute(RESET)
        holder = await asyncpg.connect(self.url)
        await holder.execute("BEGIN")
        await holder.execute(f"SELECT FROM requests WHERE key = '{key}' FOR UPDATE")
        tasks = dict[int, asyncio.Task[Any]]()
        for number in (first, 1 - first):
            tasks[number] = self.processes[number].start(names[number], self.given)
            await self._wait(list(tasks.values()))
        await holder.close()
        return await self._after(names, [await tasks[number] for number in (0, 1)])

    async def _wait(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        """Return once each task is done or waits for a lock."""
        while left := [task for task in tasks if not task.done()]:
            if len(left) <= await self.control.fetchval(WAITING):
                return
            await asyncio.wait(left, timeout=0.004)

    async def _after(self, names: Pair, results: list[Any]) -> dict[str, Any]:
        """Return what both learned, and all rows, once those that passed over locked rows looked again."""
        for number, name in enumerate(names):
            if name in AGAIN:
                results[number] += await self.processes[number].start(name, self.given)
                results[number].sort()
        rows = [tuple(row) for row in await self.control.fetch(ROWS, list(FINAL))]
        return {"results": results, **{of: sorted(row for name, row in rows if name == of) for of in TABLES}}


def changes(orders: Sequence[dict[str, Any]], seen: dict[str, Any]) -> str:
    """Return what is only in the one, and only in the other, for each order."""
    found = []
    for order in orders:
        for part in (part for part in seen if seen[part] != order[part]):
            new, gone = [
                [one for one in a[part] if one not in b[part]] for a, b in ((seen, order), (order, seen))
            ]
            found.append(f"{part} have {new} instead of {gone}")
    return "; ".join(found)


@pytest.fixture
async def table(postgres: PostgresServer) -> AsyncIterator[Table]:
    url = await postgres.new_database()
    name = make_url(url).database
    await postgres.run(
        f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'",
        *(f"ALTER DATABASE {name} SET enable_{plan} = off" for plan in PLANS),
    )
    stores = [Store(url, Effects(), operator=OPEN_TO_ALL) for _ in range(2)]
    given, control = await arrange(stores[0]), await asyncpg.connect(url)
    # It fills all tables at once, so nothing has to be checked.
    await control.execute(f"CREATE SCHEMA saved; {SAVE}; SET session_replication_role = replica")
    yield Table(url, given, control, stores)
    await control.close()
    for store in stores:
        await store.close()


@pytest.mark.parametrize("group", range(GROUPS))
async def test_two_operations_at_once_leave_what_they_leave_in_turn(table: Table, group: int) -> None:
    assert await table.differences(DRAWN[group::GROUPS]) == {}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_pair_leaves_what_it_leaves_in_turn(table: Table, name: str) -> None:
    assert await table.differences([pair for pair in PAIRS if pair[0] == name]) == {}
