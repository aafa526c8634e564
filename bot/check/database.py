"""The database and its schema, looked at without changing either."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.check.finding import Finding, fine, wrong
from bot.database.schema import known_schemas, schema_of
from bot.domain.errors import StoreUnavailable
from bot.store import Store

SUBJECT = "Database"


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """`usable`: it has this version's schema, so that notes can be read."""

    finding: Finding
    usable: bool = False


async def look(store: Store) -> DatabaseState:
    file = store.database.file
    if file is not None and not file.exists():
        return DatabaseState(_new_file(file))
    try:
        async with store.database.read() as connection:
            version = await connection.run_sync(schema_of)
            named = "SQLite" if store.database.is_sqlite else await _server(connection)
    except (StoreUnavailable, OSError) as error:
        said = f"it can't be opened ({error})."
        return DatabaseState(
            wrong(SUBJECT, said, "Check DATABASE_URL, that the server runs, and its rights.")
        )
    if version is not None and version not in known_schemas():
        said = f"{named}, with the schema {version}, which this version of the bot doesn't know."
        remedy = "Start the newer version that made it, or restore a backup from before."
        return DatabaseState(wrong(SUBJECT, said, remedy))
    if file is not None and not os.access(file, os.W_OK):
        return DatabaseState(wrong(SUBJECT, f"{file} can't be written.", "Give the bot's user that right."))
    if version == known_schemas()[0]:
        return DatabaseState(fine(SUBJECT, f"{named}, schema {version}, up to date."), usable=True)
    told = "without tables" if version is None else f"schema {version}"
    return DatabaseState(fine(SUBJECT, f"{named}, {told}: the next start brings it up to date."))


async def _server(connection: AsyncConnection) -> str:
    return f"PostgreSQL {await connection.scalar(text('SHOW server_version'))}"


def _new_file(file: Path) -> Finding:
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return wrong(SUBJECT, f"{folder} can't be written.", "Give the bot's user that right.")
    return fine(SUBJECT, f"SQLite; the first start makes {file}.")
