"""Measure queries on a store with many runs and audit entries."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Table, text

from bot.database.tables import audit, messages, requests, runs, server_rules
from bot.domain.moderation import AuditFilter
from bot.domain.pages import RunFilter
from bot.outside import Outside
from bot.store import Store
from tests.bench.figures import Figure
from tests.chaos.database import opened

GUILDS = 1000
PEOPLE = 20_000
IN_FLIGHT = 1000
TIMES = 9
# The values of row n. One row in a thousand belongs to server 0, and one in two hundred to person 0.
EXPRESSIONS = {
    "key": "{key}",
    "request_key": "{key}",
    "run_key": "{key}",
    "state": f"CASE WHEN n <= {IN_FLIGHT} THEN 'running' ELSE 'succeeded' END",
    "run_id": "{key}",
    "created_at": "{time}",
    "submitted_at": "{time}",
    "at": "{time}",
    "ended_at": f"CASE WHEN n <= {IN_FLIGHT} THEN NULL ELSE {{time}} END",
    "due_at": f"CASE WHEN n <= {IN_FLIGHT} THEN {{time}} ELSE NULL END",
    "requester_id": f"CASE WHEN n % 200 = 0 THEN 0 ELSE n % {PEOPLE} END",
    "subject_id": f"CASE WHEN n % 200 = 0 THEN 0 ELSE n % {PEOPLE} END",
    "guild_id": f"n % {GUILDS}",
    "action": "'outcome'",
    "outcome": "'succeeded'",
    "inputs": "'{{}}'",
    "failure_params": "'{{}}'",
    "details": "'{{}}'",
    "outputs": "'[]'",
    "file_deployments": "'[]'",
    "posted": "'[]'",
    "stale": "'[]'",
    "kind": "'outcome'",
    "number": "0",
    "since": "{time}",
    "shown_rev": "1",
    "deadline_seconds": "3600",
}
# Other values in some tables: each request has an outcome, which is shown; each server has rules, whose
# retention period is long.
OF_TABLE = {
    "messages": {"due_at": "{time}"},
    "server_rules": {
        "guild_id": "n",
        "rules": "'{{}}'",
        "retention_days": "3000 + n % 20",
        "updated_at": "{time}",
    },
}
DIALECTS = {
    "sqlite": {
        "numbers": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})",
        "from": "s",
        "key": "printf('k%015d', n)",
        "time": "strftime('%Y-%m-%d %H:%M:%f000', '{now}', '-' || (n * 20) || ' seconds')",
    },
    "postgresql": {
        "numbers": "",
        "from": "generate_series(1, {count}) AS s(n)",
        "key": "'k' || lpad(n::text, 15, '0')",
        "time": "TIMESTAMP '{now}' - n * INTERVAL '20 seconds'",
    },
}


async def measure(options: argparse.Namespace) -> list[Figure]:
    figures: list[Figure] = []
    for kind in ("sqlite", "postgres"):
        with tempfile.TemporaryDirectory(prefix="rows-") as folder:
            async with opened(kind, Path(folder)) as database:
                figures += await _measure(kind, database.url, options.rows)
    return figures


async def _measure(kind: str, url: str, count: int) -> list[Figure]:
    now = datetime.now(UTC).replace(microsecond=0)
    store = Store(url, Outside())
    await store.open()
    began = time.perf_counter()

    def fill(connection: Connection) -> None:
        for table in (requests, runs, audit, messages, server_rules):
            connection.execute(text(filling(table, connection.dialect.name, count, now)))

    await store.database.migrate(fill)
    filled = time.perf_counter() - began
    if not store.database.is_sqlite:
        # In production, autovacuum does this. SQLite has no statistics there, and chooses better without.
        await store.database.migrate(lambda connection: connection.execute(text("ANALYZE")))
    await store.close()
    section = f"rows, {kind}"
    began = time.perf_counter()
    store = Store(url, Outside())
    await store.open()
    figures = [
        Figure(section, f"filled with {count:,} rows in five tables", filled, "s"),
        Figure(section, "opened again", (time.perf_counter() - began) * 1000, "ms"),
    ]
    for name, ask in questions(store, now).items():
        figures.append(Figure(section, name, await _median(ask) * 1000, "ms"))
    await store.close()
    return figures


def filling(table: Table, dialect: str, count: int, now: datetime) -> str:
    """Return a statement that generates the rows inside the database."""
    words = DIALECTS[dialect]
    stamp = now.strftime("%Y-%m-%d %H:%M:%S")
    parts = {"key": words["key"], "time": words["time"].format(now=stamp), "count": count}
    columns = [c for c in table.columns if c.name in EXPRESSIONS or not _may_be_left(c)]
    said = EXPRESSIONS | OF_TABLE.get(table.name, {})
    values = ", ".join(said.get(c.name, _plain(c)).format(**parts) for c in columns)
    names = ", ".join(c.name for c in columns)
    head = words["numbers"].format(**parts)
    # In SQLite, the CTE with the numbers comes before INSERT.
    source = words["from"].format(**parts)
    return f"{head} INSERT INTO {table.name} ({names}) SELECT {values} FROM {source}"  # noqa: S608


def _may_be_left(column: Column[Any]) -> bool:
    return bool(column.nullable or column.server_default is not None or column.name == "id")


def _plain(column: Column[Any]) -> str:
    return "'picture'" if column.type.python_type is str else "1"


def questions(store: Store, now: datetime) -> dict[str, Callable[[], Awaitable[object]]]:
    """Return the queries of the running bot."""

    def page(wanted: RunFilter) -> Callable[[], Awaitable[object]]:
        return lambda: store.history.page(0, wanted, limit=5)

    return {
        "/runs, first page": page(RunFilter.ALL),
        "/runs, only what was kept": page(RunFilter.UNDELIVERED),
        "/queue, first page": lambda: store.history.server_queue(0, limit=11),
        "/audit, first page": lambda: store.audit.page(0, AuditFilter(), now, limit=11),
        "today's use, before a request": lambda: store.figures.today(0, 0, now),
        "claim of a run to submit": lambda: store.claims.claim_submission(lambda _: None, now, now),
        "claim of 8 silent runs": lambda: store.claims.claim_checks(now, timedelta(0), 8),
        "claim of a message to show": lambda: store.messages.turn([], ["bench"], (), now, now),
        "claim of what is too old": lambda: store.retention.claim(now),
    }


async def _median(ask: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await ask()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[TIMES // 2]
