"""Queries and inserts that tests make in the database of a running bot.

`tests/e2e` and `tests/chaos` know the tables only through this file, so a changed table changes no other file
there. Query only what neither people nor services can see. Each function
takes a `tests.databases.Database`. Only functions whose names begin with `insert_` or `set_` write.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, text

from bot.database import rows, tables
from bot.domain.runs import Run
from tests.databases import Database

_IN_PROGRESS = ("waiting", "submitting", "queued", "running", "uploading")


async def runs(database: Database, *, but: Collection[str] = ()) -> list[Run]:
    """Return every run, oldest first, except those with the keys `but`."""
    key = tables.runs.c.key
    query = rows.select_runs().where(key.not_in(but)).order_by(tables.requests.c.created_at, key)
    return await database.read(lambda connection: [rows.to_run(row) for row in connection.execute(query)])


async def unfinished(database: Database) -> tuple[int, int]:
    """Return the number of all runs, and of runs and messages that the bot has to finish by itself."""
    columns = tables.messages.c
    pending = (columns.purpose != "answer") & (columns.wanted_rev > columns.shown_rev)
    queries = (
        select(func.count()).select_from(tables.runs),
        select(func.count()).where(tables.runs.c.state.in_(_IN_PROGRESS)),
        select(func.count()).where(pending),
    )
    total, *left = await database.read(lambda connection: [connection.scalar(each) or 0 for each in queries])
    return total, sum(left)


async def webhook_secret(database: Database) -> str | None:
    """Return the secret that the bot generated for its webhook URLs."""
    table = tables.key_values
    query = select(table.c.value).where(table.c.name == "webhook_secret")
    return await database.read(lambda connection: connection.scalar(query))


async def insert_runs(database: Database, *planted: Run, due_at: datetime | None = None) -> None:
    """Add runs, each of a request of its own, which the bot polls at `due_at`."""
    values = [
        rows.new_row(run) | {"due_at": due_at, "outputs": [asdict(output) for output in run.outputs]}
        for run in planted
    ]
    answers = [
        {"request_key": run.request_key, "purpose": "answer", "number": 0, "shown_rev": 1}
        | {"posted": (), "stale": (), "due_at": run.created_at, "since": run.created_at}
        for run in planted
    ]

    def add(connection: Connection) -> None:
        rows.insert_rows(connection, values)
        connection.execute(insert(tables.messages), answers)

    await database.write(add)


async def set_schema_version(database: Database, version: str) -> None:
    """Set the schema version, as if another version of the bot had created the database."""
    change = text("UPDATE alembic_version SET version_num = :version")
    await database.write(lambda connection: connection.execute(change, {"version": version}))


async def insert_foreign_table(database: Database) -> None:
    """Add another program's table that has the name of one of the bot's tables."""
    await database.write(lambda connection: connection.execute(text("CREATE TABLE runs (distance REAL)")))


async def insert_rules(database: Database, guild_id: int, rules: object) -> None:
    """Store a server's rules as `/settings` does, with defaults for those that are left out."""
    values = {"guild_id": guild_id, "rules": rules, "retention_days": 365}
    await database.write(lambda connection: connection.execute(insert(tables.server_rules).values(values)))
