"""Measure a start and queries on a store with many rows; the baseline is a transaction that updates one row.

Each figure is the fastest of several runs, because other load can only slow them down.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, text, update

from bot.database.rows import insert_rows
from bot.database.tables import audit, messages, queues, runs
from bot.domain.messages.records import Kind
from bot.domain.moderation import AuditAction, AuditFilter
from bot.domain.pages import RunFilter
from bot.domain.runs import RunState
from bot.outside import Outside
from bot.store import Store
from tests.bench.figures import Figure
from tests.bench.setup import scene
from tests.e2e.bot_process import BotProcess

GUILDS, PEOPLE, IN_FLIGHT = 1000, 20_000, 1000
# The waiting runs of one server, of 500 people.
WAITING, BUSY_SERVER = 10_000, 1
AT_ONCE = 10_000
TIMES = 15
PATIENCE = 300.0
Question = Callable[[], Awaitable[object]]


async def measure(options: argparse.Namespace) -> list[Figure]:
    return [*await _measure("sqlite", options.rows), *await _measure("postgres", options.rows)]


async def _measure(kind: str, count: int) -> list[Figure]:
    section, now = f"rows, {kind}", datetime.now(UTC).replace(microsecond=0)
    async with scene(database=kind, rate_limits=False) as home:
        bare_start = await _start(home)
        store = Store(home.database.url, Outside())
        await store.open()
        await _fill(store, _ended_and_in_flight(count, now))
        one = update(runs).where(runs.c.key == "k0").values(checks=runs.c.checks + 1)
        bare = await _least(lambda: store.database.write(lambda connection: connection.execute(one)))
        found = {name: await _least(ask) for name, ask in _questions(store, now).items()}
        start = await _start(home)
        await _fill(store, _waiting(now))
        queue = insert(queues).values(deployment="picture", virtual_time=1)
        await store.database.write(lambda connection: connection.execute(queue))
        while await store.claims.update_queue_positions(now):
            pass
        found |= {
            f"{name}, {WAITING:,} waiting": await _least(ask) for name, ask in _queue(store, now).items()
        }
        await store.close()
    figures = [Figure(section, name, seconds * 1000, "ms", bare * 1000) for name, seconds in found.items()]
    answered = f"the first /generate is answered, {count:,} rows in each table"
    return [Figure(section, answered, start, "s", bare_start), *figures]


async def _start(home: BotProcess) -> float:
    """Start the bot, and stop it after the first answer. Return the seconds until then."""
    began = time.perf_counter()
    await home.launch()
    await home.discord.wait_command("generate", within=PATIENCE)
    await (await home.ask()).wait_answer(PATIENCE)
    seconds = time.perf_counter() - began
    await home.kill()
    return seconds


async def _fill(store: Store, rows: Iterator[dict[str, object]]) -> None:
    def fill(connection: Connection) -> None:
        while chunk := [row for row, _ in zip(rows, range(AT_ONCE), strict=False)]:
            insert_rows(connection, chunk)
            ended = [row for row in chunk if row["state"] == RunState.SUCCEEDED]
            if ended:
                connection.execute(insert(audit), [_entry(row) for row in ended])
                connection.execute(insert(messages), [_outcome(row) for row in ended])

    await store.database.migrate(fill)
    if not store.database.is_sqlite:
        # In production, autovacuum does this. SQLite has no statistics there, and chooses better without.
        await store.database.migrate(lambda connection: connection.execute(text("ANALYZE")))


def _ended_and_in_flight(count: int, now: datetime) -> Iterator[dict[str, object]]:
    for number in range(count):
        is_running = number < IN_FLIGHT
        at = now - timedelta(seconds=20 * number)
        state = RunState.RUNNING if is_running else RunState.SUCCEEDED
        person = 0 if number % 200 == 0 else number % PEOPLE
        due, ended = (at, None) if is_running else (None, at)
        yield _row(f"k{number}", state, at, person, number % GUILDS) | {"due_at": due, "ended_at": ended}


def _waiting(now: datetime) -> Iterator[dict[str, object]]:
    at = now - timedelta(hours=1)
    for number in range(WAITING):
        row = _row(f"w{number}", RunState.WAITING, at, number % 500, BUSY_SERVER)
        yield row | {"queue_tag": number // 500 + 1, "due_at": at, "submitted_at": None, "user_limit": 3}


def _row(key: str, state: RunState, at: datetime, person: int, guild: int) -> dict[str, object]:
    return {
        "key": key,
        "request_key": key,
        "state": state,
        "created_at": at,
        "submitted_at": at,
        "run_id": key,
        "requester_id": person,
        "guild_id": guild,
        "channel_id": guild,
        "deployment": "picture",
        "deployment_id": "1",
        "inputs": {"prompt": "a lighthouse " * 20},
        "application_id": 1,
        "upload_limit": 1,
        "file_deployments": [],
        "outputs": [],
        "failure_params": {},
        "deadline_seconds": 3600,
    }


def _entry(row: dict[str, object]) -> dict[str, object]:
    about = {"guild_id": row["guild_id"], "subject_id": row["requester_id"], "run_key": row["key"]}
    return {**about, "at": row["created_at"], "action": AuditAction.OUTCOME, "details": {}}


def _outcome(row: dict[str, object]) -> dict[str, object]:
    at, shown = row["created_at"], {"shown_rev": 1, "posted": (), "stale": ()}
    return {"request_key": row["key"], "kind": Kind.OUTCOME, "number": 0, "due_at": at, "since": at, **shown}


def _questions(store: Store, now: datetime) -> dict[str, Question]:
    """Return the queries of the running bot."""
    page = store.history.page
    return {
        "/runs, first page": lambda: page(0, RunFilter.ALL, limit=5),
        "/runs, only what was kept": lambda: page(0, RunFilter.UNDELIVERED, limit=5),
        "/queue, first page": lambda: store.history.server_queue(0, limit=11),
        "/audit, first page": lambda: store.audit.page(0, AuditFilter(), now, limit=11),
        "today's use, before a request": lambda: store.figures.today(0, 0, now),
        "claim of 8 silent runs": lambda: store.claims.claim_checks(now, timedelta(0), 8),
        "claim of a message to show": lambda: store.messages.turn([], ["bench"], (), now, now),
        "claim of what is too old": lambda: store.retention.claim(now),
    }


def _queue(store: Store, now: datetime) -> dict[str, Question]:
    """Return the queries about waiting runs."""
    claims = store.claims
    return {
        "claim": lambda: claims.claim_submission(lambda _: None, now, now + timedelta(minutes=3)),
        "positions": lambda: claims.update_queue_positions(now),
        "in flight, for estimates": store.figures.in_flight,
        "/queue": lambda: store.history.server_queue(BUSY_SERVER, limit=11),
    }


async def _least(ask: Question) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await ask()
        taken.append(time.perf_counter() - began)
    return min(taken)
