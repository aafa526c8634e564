"""`python -m bot export`: write runs as JSON lines, oldest first. docs/command-line.md lists the fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TextIO
from urllib.parse import urlsplit

from bot.config.settings import Settings
from bot.database.schema import known_schemas, schema_of
from bot.domain.errors import StartupError
from bot.domain.runs import InputValue, Output, Run
from bot.outside import Outside
from bot.store import Store
from bot.store.reading.export import ExportFilter, ExportStore

# These columns are exported as stored. The interaction token is excluded: its holder can answer as the bot.
PLAIN: Final = (
    "key",
    "state",
    "created_at",
    "requester_id",
    "guild_id",
    "channel_id",
    "deployment",
    "deployment_id",
    "prompt",
    "seed",
    "gpu",
    "gpu_used",
    "parent_key",
    "request_key",
    "index",
    "run_id",
    "submitted_at",
    "started_at",
    "ended_at",
    "run_duration",
    "charged_seconds",
    "weight",
    "submissions",
    "failure_code",
    "partial",
    "decided_by",
    "decided_at",
    "cancelled_by",
    "spoiler",
    "deleted_at",
    "erased_at",
)
FIELDS: Final = (*PLAIN, "inputs", "outputs")


def line(run: Run) -> str:
    """Return one run as a line of JSON. Ids are strings, because many JSON readers round large numbers."""
    values: dict[str, Any] = {name: _plain(name, getattr(run, name)) for name in PLAIN}
    values["inputs"] = {key: _input(value) for key, value in run.inputs.items()}
    values["outputs"] = [_output(output) for output in run.outputs]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


async def export(settings: Settings, outside: Outside, run_filter: ExportFilter, out: TextIO) -> int:
    """Write a line for each run that the filter matches, and return the exit code 0.

    Raises StartupError if the database is missing or has another schema, and StoreUnavailable.
    """
    store = Store(settings.database_url.get_secret_value(), outside)
    try:
        await _check_schema(store)
        async for run in ExportStore(store.database).runs(run_filter):
            out.write(line(run) + "\n")
    finally:
        await store.close()
    return 0


async def _check_schema(store: Store) -> None:
    """Raise StartupError if there is no database or its schema isn't this version's.

    An export can't migrate the database.
    """
    file = store.database.file
    if file is not None and not file.exists():
        raise StartupError(f"There is no database at {file}. Check DATABASE_URL.")
    schema = await store.database.read(schema_of)
    if schema != known_schemas()[0]:
        raise StartupError(
            f"The database has the schema {schema}, and this version of the bot reads {known_schemas()[0]}. "
            "Start this version once, or export with the version that made it."
        )


def _plain(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if name.endswith(("_id", "_by")) and isinstance(value, int) else value


def _input(value: InputValue) -> InputValue:
    if isinstance(value, list):
        return [_unsigned(item) for item in value]
    return _unsigned(value) if isinstance(value, str) else value


def _output(output: Output) -> Mapping[str, str | None]:
    url = _unsigned(output.url) if output.url else None
    return {"kind": output.kind, "filename": output.filename, "url": url, "text": output.text}


def _unsigned(text: str) -> str:
    """Remove from a URL what may grant access: the query, which may hold a signature, and any password.

    Returns any other text unchanged.
    """
    if not text.startswith(("https://", "http://")) or any(char.isspace() for char in text):
        return text
    try:
        parts = urlsplit(text)
        host = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=host, query="", fragment="").geturl()
    except ValueError:
        return text
