"""Measure claims and queue positions with many waiting runs of one server, on both databases.

Each figure is the fastest of several runs, because other load can only slow them down. The baseline is a
transaction that updates one row.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, text, update

from bot.database.rows import insert_rows
from bot.database.tables import queues, requests, runs
from bot.domain.runs import RunState
from bot.outside import Outside
from bot.store import Store
from tests.bench.figures import Figure
from tests.chaos.database import opened

WAITING = (100, 10_000)
IN_FLIGHT = 1000
TIMES = 15
DEPLOYMENT = "picture"
BUSY_SERVER, FULL_SERVER = 1, 2
AIM = "5 ms"
GRACE = timedelta(minutes=3)


async def measure(_options: argparse.Namespace) -> list[Figure]:
    figures: list[Figure] = []
    for kind in ("sqlite", "postgres"):
        with tempfile.TemporaryDirectory(prefix="queue-") as folder:
            async with opened(kind, Path(folder)) as database:
                store = Store(database.url, Outside())
                await store.open()
                for count in WAITING:
                    figures += await _measure(store, f"queue, {kind}", count)
                await store.close()
    return figures


async def _measure(store: Store, section: str, count: int) -> list[Figure]:
    now = datetime.now(UTC).replace(microsecond=0)
    claims = store.claims

    def claim() -> Awaitable[object]:
        return claims.claim_submission(lambda _: None, now, now + GRACE)

    def positions() -> Awaitable[object]:
        return claims.update_queue_positions(now)

    async def moved() -> float:
        await claim()
        return await _seconds(positions)

    await _fill(store, _rows(count, now, guild=BUSY_SERVER))
    figures = []
    one = update(runs).where(runs.c.key == "b0").values(checks=runs.c.checks + 1)
    bare = await _least(lambda: store.database.write(lambda connection: connection.execute(one)))

    def note(name: str, seconds: float, aim: str = AIM) -> None:
        what = f"{name}, {count:,} waiting"
        figures.append(Figure(section, what, seconds * 1000, "ms", bare * 1000, aim))

    while await positions():
        pass
    note("claim", await _least(claim))
    note("positions after a claim", min([await moved() for _ in range(TIMES)]))
    note("positions, unchanged", await _least(positions))
    note("in flight, for estimates", await _least(store.figures.in_flight), "")
    note("/queue", await _least(lambda: store.history.server_queue(BUSY_SERVER, limit=11)), "")
    await _fill(store, _rows(count, now, guild=FULL_SERVER, server_limit=1))
    note("claim, all at their limit", await _least(claim))
    return figures


def _rows(count: int, now: datetime, *, guild: int, **more: object) -> Iterator[dict[str, object]]:
    """Yield one server's waiting runs, and runs in flight, a few of that server and most of others."""
    for number in range(count):
        person = number % 500
        yield _row(f"w{number}", RunState.WAITING, now, person, guild, queue_tag=number // 500 + 1, **more)
    for number in range(IN_FLIGHT):
        elsewhere = 10 + number % 300
        where = guild if number < 10 else elsewhere
        yield _row(f"b{number}", RunState.RUNNING, now, number, where, queue_tag=1, submitted_at=now)


def _row(
    key: str, state: RunState, now: datetime, person: int, guild: int, **more: object
) -> dict[str, object]:
    earlier = now - timedelta(hours=1)
    return {
        "key": key,
        "request_key": key,
        "state": state,
        "requester_id": person,
        "guild_id": guild,
        "channel_id": guild,
        "created_at": earlier,
        "due_at": earlier,
        "submitted_at": None,
        "deployment": DEPLOYMENT,
        "deployment_id": "1",
        "inputs": {"prompt": "a lighthouse " * 20},
        "application_id": 1,
        "upload_limit": 1,
        "file_deployments": [],
        "outputs": [],
        "failure_params": {},
        "user_limit": 3,
        "server_limit": None,
        "deadline_seconds": 3600,
        **more,
    }


async def _fill(store: Store, rows: Iterator[dict[str, object]]) -> None:
    def fill(connection: Connection) -> None:
        # `migrate`, which calls this, disables foreign keys.
        connection.execute(delete(runs))
        connection.execute(delete(requests))
        connection.execute(delete(queues))
        connection.execute(insert(queues), {"deployment": DEPLOYMENT, "virtual_time": 1})
        insert_rows(connection, list(rows))

    await store.database.migrate(fill)
    if not store.database.is_sqlite:
        # In production, autovacuum does this.
        await store.database.migrate(lambda connection: connection.execute(text("ANALYZE")))


async def _seconds(ask: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await ask()
    return time.perf_counter() - began


async def _least(ask: Callable[[], Awaitable[Any]]) -> float:
    return min([await _seconds(ask) for _ in range(TIMES)])
