"""Transactions that write take their row locks in one order, so that PostgreSQL never finds a deadlock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, delete, insert, make_url, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.rows import insert_rows, new_row
from bot.database.tables import audit, messages, presets, queues, requests, usage
from bot.domain.errors import RefusedError, StoreUnavailable
from bot.domain.messages.records import Attempt, Claim, Form, Kind, MessageRef, Part, Place, Shows
from bot.domain.moderation import Report
from bot.domain.results import CopyRequest
from bot.domain.runs import RunState
from bot.outside import Outside
from bot.store import Store
from bot.store.erasure import ExpiredRows
from tests.contract.store.batches import asked, said
from tests.contract.store.rows import GUILD, block
from tests.contract.store.runs import (
    GRACE,
    NOW,
    OPEN_TO_ALL,
    PERSON,
    SOON,
    accept,
    at,
    fetch,
    part_of,
    place,
    release,
    request,
    take_message,
)
from tests.databases import PostgresServer, transaction

S = RunState
SIZE = 4
BATCHES = 20
MINUTE = timedelta(minutes=1)
# Expired, yesterday, and today.
DAYS = [NOW.date() - timedelta(days=days) for days in (30, 1, 0)]
SHARED = MessageRef(1, 1)
PART = Part(channel_id=1, message_id=1, shows=Shows.RESULT, rev=1, form=Form.FILES, place=Place.CHANNEL)
OUTCOMES = (
    {"offered": False, "attempt": Attempt(NOW, PART)},
    {"offered": True, "attempt": None},
)
STATES = (S.WAITING, S.AWAITING_APPROVAL, S.SUBMITTING, S.RUNNING, S.SUCCEEDED, S.FAILED)


@dataclass(frozen=True)
class Rows:
    """A batch whose rows lie in the table in another order than that of their keys."""

    lead: str
    keys: Sequence[str]
    has_outcome: bool


# A writer of one batch; the number picks one of its runs.
Writer = Callable[[Store, Rows, int], Awaitable[Any]]


async def claim_of(store: Store, rows: Rows) -> Claim | None:
    """Return the outcome as if this process had its lease."""
    run = await store.runs.get(rows.lead)
    if run is None or not rows.has_outcome:
        return None
    found = await store.messages.of_request(rows.lead)
    message = found[Kind.OUTCOME, 0]
    return Claim(lease="messenger", message=message, runs=await store.runs.batch(run), messages=found)


async def attempt(store: Store, rows: Rows, _: int) -> None:
    if (claim := await claim_of(store, rows)) is not None:
        begun = claim.changed(attempt=Attempt(NOW, part_of(claim, SHARED)))
        await store.messages.begin(begun, SOON)


async def store_post(store: Store, rows: Rows, _: int) -> None:
    if (claim := await claim_of(store, rows)) is not None:
        await release(store, claim.with_part(part_of(claim, SHARED)), NOW, shown=True)


async def lose_post(store: Store, rows: Rows, _: int) -> None:
    if (claim := await claim_of(store, rows)) is not None:
        lost = replace(claim, lease="another").with_part(part_of(claim, SHARED))
        await release(store, lost, NOW, shown=True)


async def finish(store: Store, rows: Rows, number: int) -> None:
    if (claim := await claim_of(store, rows)) is not None:
        await release(store, claim, NOW, shown=number > 0, ends_answer=True)


async def copy(store: Store, rows: Rows, number: int) -> None:
    with suppress(RefusedError):
        asked = CopyRequest(key=rows.keys[number], shared_to=9)
        await store.copies.claim(asked, "messenger", NOW, SOON)


async def record_end(store: Store, rows: Rows, number: int) -> None:
    run = await store.runs.get(rows.keys[number])
    if run is not None:
        await store.runs.record_report(run.key, said(run, S.SUCCEEDED), NOW, SOON, asked=True)


async def save_progress(store: Store, rows: Rows, _: int) -> None:
    found = [run for key in rows.keys if (run := await store.runs.get(key)) is not None]
    await store.runs.save_progress({run.key: said(run, S.RUNNING, progress=0.5) for run in found}, NOW, SOON)


async def remove(store: Store, rows: Rows, _: int) -> None:
    newest = select(audit.c.id).order_by(audit.c.id.desc())
    entries = await store.database.read(lambda connection: connection.execute(newest).scalars().all())
    await store.retention.handle(ExpiredRows([rows.lead], entries[:50]))


async def end(store: Store, rows: Rows, number: int) -> None:
    await store.runs.finish(rows.keys[number], S.TIMED_OUT, NOW, code="deadline")


async def settle(store: Store, rows: Rows, number: int) -> None:
    run = await store.runs.get(rows.keys[number])
    if run is not None:
        report = said(run, S.FAILED, run_duration=float(number))
        await store.runs.record_report(run.key, report, NOW, SOON, asked=True)


async def requeue(store: Store, rows: Rows, number: int) -> None:
    await store.claims.requeue(await fetch(store, rows.keys[number]), SOON, NOW)


WRITERS: dict[str, Writer] = {
    "accept": lambda store, _rows, _number: accept(store, request()),
    "answer": lambda store, rows, _: store.messages.answered(rows.lead, 77, NOW),
    "make checks due": lambda store, _rows, _number: store.claims.make_checks_due(at(-1)),
    "claim": lambda store, _rows, _number: store.claims.claim_submission(lambda _: None, NOW, NOW + GRACE),
    "requeue": requeue,
    "positions": lambda store, _rows, _number: store.claims.update_queue_positions(NOW),
    "checks": lambda store, _rows, _number: store.claims.claim_checks(at(60), MINUTE, 8),
    "record": record_end,
    "settle": settle,
    "progress": save_progress,
    "end": end,
    "cancel": lambda store, rows, _: store.runs.request_cancel(rows.lead, NOW, by=PERSON.id),
    "approve": lambda store, rows, _: store.reviews.approve(rows.lead, 5, NOW),
    "reject": lambda store, rows, _: store.reviews.reject(rows.lead, 6, "no", NOW),
    "delete all": lambda store, rows, _: store.reviews.delete(rows.lead, 5, NOW, whole_batch=True),
    "delete copy": lambda store, rows, number: store.copies.delete(rows.keys[number], SHARED, 5, NOW),
    "report": lambda store, rows, number: store.reviews.report(
        rows.keys[number], Report(5, "Something else"), 9, NOW
    ),
    "show": lambda store, _rows, _number: take_message(store, NOW, "messenger", SOON),
    "attempt": attempt,
    "post": store_post,
    "lose": lose_post,
    "finish": finish,
    "copy": copy,
    "adopt": lambda store, rows, _: store.messages.adopt(rows.lead, Kind.OUTCOME, 0, PART),
    "due": lambda store, _rows, _number: store.messages.make_due(NOW),
    "redeliver": lambda store, rows, _: store.copies.redeliver(rows.lead, place(), NOW),
    "block": lambda store, _rows, _number: block(store, PERSON.id, at=NOW, by=5, until=NOW),
    "hold": lambda store, _rows, number: store.claims.hold_queues(f"reason {number}"),
    "erase": lambda store, _rows, _number: store.privacy.erase(PERSON.id, NOW),
    "remove": remove,
}
# Pairs that deadlocked before all locks were taken in one order.
KNOWN = [("hold", "block"), ("redeliver", "attempt"), ("remove", "record")]
# A step of the messenger, and one that changes what it shows.
OF_MESSAGES = [
    ("show", "copy"),
    ("finish", "record"),
    ("lose", "redeliver"),
    ("post", "delete all"),
    ("adopt", "finish"),
]
# Pairs that change the use of one person, on two days, and of the whole bot.
OF_THE_LEDGER = [
    ("accept", "settle"),
    ("accept", "approve"),
    ("block", "claim"),
    ("block", "settle"),
    ("cancel", "claim"),
    ("cancel", "end"),
    ("claim", "settle"),
    ("erase", "claim"),
    ("remove", "settle"),
    ("requeue", "settle"),
]


async def new_rows(store: Store, luck: random.Random) -> list[Rows]:
    """Replace all rows by batches in random states, and shuffle the rows."""
    batches = [(asked(SIZE), luck.choice(STATES)) for _ in range(BATCHES)]
    values = [
        new_row(each)
        | {
            "state": state,
            "due_at": NOW,
            "queue_tag": luck.randint(1, 3),
            "run_id": f"run-{each.key}" if state not in STATES[:3] else None,
            "review_channel_id": 9 if state is S.AWAITING_APPROVAL else None,
            "submitted_at": at(-60) if state in STATES[2:] else None,
            "charged_seconds": 60.0,
            "charged_on": luck.choice(DAYS) if state is not S.AWAITING_APPROVAL else None,
        }
        for requests, state in batches
        for each in requests
    ]
    luck.shuffle(values)
    leads = {requests[0].key: state for requests, state in batches}
    own = {"number": 0, "due_at": NOW, "since": NOW, "stale": (), "offered": False, "attempt": None}
    outcomes = [
        {**own, "request_key": key, "kind": Kind.OUTCOME, "posted": (), **luck.choice(OUTCOMES)}
        for key, state in leads.items()
        if state in (S.SUCCEEDED, S.FAILED)
    ]
    outcomes += [
        {**own, "request_key": batch[0].key, "kind": Kind.SHARE, "number": number, "posted": (PART,)}
        for batch, state in batches
        for number in range(SIZE)
        if state is S.SUCCEEDED
    ]
    leases = [{"leased": key} for key, state in leads.items() if state in (S.SUCCEEDED, S.FAILED)]

    spent = {"runs": 9, "seconds": 540.0, "weighted_seconds": 540.0, "given_back": 0}
    whose = [(GUILD, PERSON.id), (0, 0)]
    used = [
        {"day": day, "guild_id": guild, "person_id": person, **spent}
        for day in DAYS
        for guild, person in whose
    ]
    luck.shuffle(used)

    def replace_all(connection: Connection) -> None:
        for table in (requests, queues, audit, presets, usage):
            connection.execute(delete(table))
        connection.execute(insert(queues).values(deployment=values[0]["deployment"], virtual_time=1))
        connection.execute(insert(usage), used)
        insert_rows(connection, values)
        if outcomes:
            connection.execute(insert(messages), outcomes)
            held = update(requests).where(requests.c.key == bindparam("leased"))
            connection.execute(held.values(lease_owner="messenger", lease_until=SOON), leases)

    await store.database.write(replace_all)
    ended = {row["request_key"] for row in outcomes}
    return [
        Rows(requests[0].key, [each.key for each in requests], requests[0].key in ended)
        for requests, _ in batches
    ]


@asynccontextmanager
async def held_up(store: Store, rows: Sequence[Rows], luck: random.Random) -> AsyncIterator[AsyncConnection]:
    """Hold half of the requests, so that the writers stop there with the locks they have by then."""
    async with transaction(store) as connection:
        held = [each.lead for each in luck.sample(rows, BATCHES // 2)]
        await connection.execute(select(requests.c.key).where(requests.c.key.in_(held)).with_for_update())
        yield connection


async def all_wait(connection: AsyncConnection, tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Wait until every task is done or waits for a lock, as far as connections suffice."""
    for _ in range(100):
        waiting = await connection.scalar(_WAITING)
        if waiting + sum(task.done() for task in tasks) >= len(tasks):
            return


_WAITING = text("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")


async def interleaved(store: Store, pair: tuple[str, str], rounds: int, luck: random.Random) -> list[str]:
    """Run two writers at the same time on each of many batches, and return the deadlocks."""
    deadlocks: list[str] = []
    for _ in range(rounds // BATCHES):
        rows = await new_rows(store, luck)
        calls = [(name, each) for each in rows for name in pair]
        luck.shuffle(calls)
        async with held_up(store, rows, luck) as connection:
            tasks = [
                asyncio.ensure_future(WRITERS[name](store, each, luck.randrange(SIZE)))
                for name, each in calls
            ]
            await all_wait(connection, tasks)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        deadlocks += [
            str(result)
            for result in results
            if isinstance(result, StoreUnavailable) and "deadlock" in str(result)
        ]
    return deadlocks


async def _deadlocks(
    postgres: PostgresServer, pairs: Sequence[tuple[str, str]], rounds: int
) -> dict[tuple[str, str], int]:
    luck = random.Random(4)
    url = await postgres.new_database()
    name = make_url(url).database
    # Without indexes a plain UPDATE or DELETE locks its rows in the order in which they lie in the table.
    for plan in ("indexscan", "bitmapscan", "indexonlyscan"):
        await postgres.run(f"ALTER DATABASE {name} SET enable_{plan} = off")
    store = Store(url, Outside(), 2 * BATCHES + 4, operator=OPEN_TO_ALL)
    try:
        found = {pair: len(await interleaved(store, pair, rounds, luck)) for pair in pairs}
    finally:
        await store.close()
    return {pair: count for pair, count in found.items() if count}


async def test_pairs_that_deadlocked_before_do_not(postgres: PostgresServer) -> None:
    assert await _deadlocks(postgres, KNOWN, 2 * BATCHES) == {}


async def test_pairs_that_change_messages_do_not_deadlock(postgres: PostgresServer) -> None:
    assert await _deadlocks(postgres, OF_MESSAGES, 2 * BATCHES) == {}


async def test_pairs_that_change_the_ledger_do_not_deadlock(postgres: PostgresServer) -> None:
    assert await _deadlocks(postgres, OF_THE_LEDGER, 2 * BATCHES) == {}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("writer", WRITERS)
async def test_no_two_writers_deadlock(postgres: PostgresServer, writer: str) -> None:
    names = list(WRITERS)
    pairs = [(writer, other) for other in names[names.index(writer) :]]
    assert await _deadlocks(postgres, pairs, 200) == {}
