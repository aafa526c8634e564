"""Measure a start and queries on a store with many rows; the baseline is a transaction that updates one row.

Each figure is the fastest of a few runs, because other load only slows them down.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection, insert, text, update

from bot.database.tables import queues, runs
from bot.domain.moderation import AuditAction, AuditEntry, AuditFilter
from bot.domain.results import RunFilter
from bot.domain.runs import Run, RunState
from bot.outside import Outside
from bot.store import Store
from tests.bench.figures import Figure
from tests.bench.setup import made_run, scene
from tests.e2e.bot_process import BotProcess
from tests.questions import insert_audit, insert_runs

GUILDS, PEOPLE, IN_FLIGHT = 1000, 20_000, 1000
# The waiting runs of one server.
WAITING, BUSY_SERVER = 10_000, 1
AT_ONCE = 5000
TIMES = 15
PATIENCE = 300.0
Question = Callable[[], Awaitable[object]]


async def measure(options: argparse.Namespace) -> list[Figure]:
    return [*await _measure("sqlite", options.rows), *await _measure("postgres", options.rows)]


async def _measure(database: str, count: int) -> list[Figure]:
    section, now = f"rows, {database}", datetime.now(UTC)
    async with scene(database=database, rate_limits=False) as home:
        bare_start = await _start(home)
        in_flight = [_row(number, now, RunState.RUNNING) for number in range(IN_FLIGHT)]
        await insert_runs(home.database, *in_flight, due_at=now)
        for first in range(0, count, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, count))
            await _fill(home, [_row(number, now, RunState.SUCCEEDED) for number in numbers])
        store = Store(home.database.url, Outside())
        await store.open()
        if not store.database.is_sqlite:
            # In production, autovacuum does this. SQLite has no statistics there, and chooses better without.
            await store.database.migrate(lambda connection: connection.execute(text("ANALYZE")))
        one = update(runs).values(checks=runs.c.checks + 1).where(runs.c.key == in_flight[0].key)
        bare = await _least(lambda: store.database.write(lambda connection: connection.execute(one)))
        found = {name: await _least(ask) for name, ask in _questions(store, now).items()}
        start = await _start(home)
        await _wait(home, now)
        soon = now + timedelta(minutes=3)
        claim = partial(store.claims.claim_submission, lambda _: None, now, soon)
        found[f"claim, {WAITING:,} waiting"] = await _least(claim)
        await store.close()
    figures = [Figure(section, name, seconds * 1000, "ms", bare * 1000) for name, seconds in found.items()]
    answered = f"the first /generate is answered, {count:,} ended runs"
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


def _row(number: int, now: datetime, state: RunState) -> Run:
    at = now - timedelta(seconds=20 * number)
    person, guild = 0 if number % 200 == 0 else number % PEOPLE, number % GUILDS
    ended = None if state is RunState.RUNNING else at
    return made_run(state, person, guild, guild, created_at=at, submitted_at=at, ended_at=ended)


async def _fill(home: BotProcess, rows: list[Run]) -> None:
    """Store runs with their entries in the audit log."""
    entries = [
        AuditEntry(
            at=run.created_at,
            guild_id=run.guild_id,
            action=AuditAction.OUTCOME,
            subject_id=run.requester_id,
            run_key=run.key,
        )
        for run in rows
    ]
    await insert_runs(home.database, *rows)
    await insert_audit(home.database, *entries)


async def _wait(home: BotProcess, now: datetime) -> None:
    """Store waiting runs of one server and 500 people."""
    rows = [
        made_run(RunState.WAITING, number % 500, BUSY_SERVER, BUSY_SERVER, submitted_at=None)
        for number in range(WAITING)
    ]
    await insert_runs(home.database, *rows, due_at=now)

    def queue(connection: Connection) -> None:
        limits = update(runs).where(runs.c.state == RunState.WAITING)
        connection.execute(limits.values(queue_tag=1, user_limit=3))
        connection.execute(insert(queues).values(deployment="picture", virtual_time=1))

    await home.database.write(queue)


def _questions(store: Store, now: datetime) -> dict[str, Question]:
    """Return the queries of the running bot."""
    return {
        "/runs, first page": lambda: store.history.page(0, RunFilter.ALL, limit=5),
        "/queue, first page": lambda: store.history.server_queue(0, limit=11),
        "/audit, first page": lambda: store.audit.page(0, AuditFilter(), now, limit=11),
        "claim of 8 silent runs": lambda: store.claims.claim_checks(now, timedelta(0), 8),
    }


async def _least(ask: Question) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await ask()
        taken.append(time.perf_counter() - began)
    return min(taken)
