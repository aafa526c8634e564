"""`python -m bot export`: write runs as JSON lines, newest first. docs/command-line.md lists the fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TextIO

from bot.config.settings import Settings
from bot.database.schema import NEWEST, explained
from bot.domain.errors import StartupError
from bot.ops.dump import require_file, require_schema
from bot.outside import Outside
from bot.services.exports import json_line
from bot.store import Store

# The interaction token is excluded: its holder can answer as the bot.
FIELDS: Final = (
    *("key", "state", "created_at", "requester_id", "guild_id", "channel_id", "deployment", "deployment_id"),
    *("prompt", "seed", "gpu", "gpu_used", "parent_key", "request_key", "index", "run_id", "submitted_at"),
    *("started_at", "ended_at", "run_duration", "charged_seconds", "weight", "failure_code"),
    *("partial", "decided_by", "decided_at", "cancelled_by", "spoiler", "deleted_at", "erased_at", "inputs"),
    "outputs",
)


async def export(settings: Settings, outside: Outside, out: TextIO) -> int:
    """Write a line for each run, and return the exit code 0.

    Raises StartupError if the database is missing, has another schema or doesn't answer.
    """
    store = Store(settings.database_url.get_secret_value(), outside)
    require_file(store.database)
    try:
        with explained(store.database):
            # An export can't migrate the database.
            schema = await store.database.read(require_schema)
            if schema != NEWEST:
                raise StartupError(
                    f"The database has the schema {schema}, and this version of the bot reads {NEWEST}. "
                    "Start this version once, or export with the version that made it."
                )
            async for run in store.history.export():
                out.write(json_line(replace(run, outputs=run.visible), FIELDS).decode())
    finally:
        await store.close()
    return 0
