"""Queries and inserts that tests make in the database of a running bot.

`tests/e2e`, `tests/chaos` and `tests/scale` know the tables only through this file, so a
changed table changes no other file there. Query only what neither people nor services can see. Each function
takes a `tests.databases.Database`. Only functions whose names begin with `insert_`, `delete_` or `set_`
write.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, text

from bot.database import rows, tables
from bot.domain.runs import FINAL, Output, RunState
from bot.domain.settings.rules_and_defaults import ServerRules, parse_stored_rules
from tests.databases import Database

Shown = Literal["pending", "sent", "undelivered"]
_IN_PROGRESS = ("waiting", "submitting", "queued", "running", "uploading")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A stored request. `answer_id` is the id of the command's answer, if the bot knows it."""

    key: str
    created_at: datetime
    requester_id: int
    guild_id: int | None
    channel_id: int
    deployment: str
    deployment_id: str
    count: int = 1
    prompt: str | None = None
    parent_key: str | None = None
    preset_note: str | None = None
    private: bool = False
    user_install: bool = False
    age_restricted: bool = False
    decided_by: int | None = None
    application_id: int = 0
    answer_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A stored run. `index` is its place in the batch, from 0; durations and charges are in seconds."""

    request: Request
    key: str
    index: int = 0
    state: RunState
    inputs: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    run_id: str | None = None
    live_status: str | None = None
    progress: float | None = None
    outputs: tuple[Output, ...] = ()
    gpu_used: str | None = None
    run_duration: float | None = None
    charged: float | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    cancelled_by: int | None = None
    failure_code: str | None = None
    failure_log: str | None = None
    partial: bool = False
    deleted_at: datetime | None = None
    erased_at: datetime | None = None

    @property
    def final(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A stored message, other than the answer to a command.

    An undelivered message isn't shown, or lacks the result, and `/runs` offers it. `ids` are those of the
    Discord messages that show it.
    """

    request_key: str
    kind: str
    number: int
    state: Shown
    failures: int
    attempted: bool
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An entry of the audit log. If `actor_id` is None, the bot itself acted."""

    at: datetime
    guild_id: int | None
    action: str
    actor_id: int | None = None
    subject_id: int | None = None
    run_key: str | None = None
    deployment: str | None = None
    outcome: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsettled:
    """The numbers of all runs (`accepted`), of those in review and in progress, and of pending messages."""

    accepted: int
    in_review: int
    runs: int
    messages: int

    @property
    def in_progress(self) -> int:
        """Return the number of runs and messages that the bot has to finish by itself."""
        return self.runs + self.messages


# The fields whose names are those of their columns.
_OF_REQUEST, _OF_RUN = set(tables.requests.c.keys()), set(tables.runs.c.keys())
_REQUEST = ((_OF_REQUEST | _OF_RUN) & set(Request.__slots__)) - {"key"}
_RUN = (_OF_RUN & set(Run.__slots__)) - {"state", "outputs"}
_BOTH = (*tables.runs.c, *(column for column in tables.requests.c if column.name not in _OF_RUN))


async def runs(database: Database, *, but: Collection[str] = ()) -> list[Run]:
    """Return every run, oldest first, except those with the keys `but`."""
    key = tables.runs.c.key
    query = select(*_BOTH).select_from(rows.WITH_REQUEST).order_by(tables.requests.c.created_at, key)
    if but:
        query = query.where(key.not_in(but))
    return await database.read(lambda connection: [_run(row) for row in connection.execute(query)])


async def messages(database: Database) -> list[Message]:
    """Return every message in the order of its last change."""
    columns = tables.messages.c
    query = select(tables.messages).where(columns.kind != "answer").order_by(columns.since, columns.kind)
    return await database.read(lambda connection: [_message(row) for row in connection.execute(query)])


async def unsettled(database: Database) -> Unsettled:
    """Count runs and unfinished messages."""
    state, columns = tables.runs.c.state, tables.messages.c
    pending = (columns.kind != "answer") & (columns.wanted_rev > columns.shown_rev)
    counts = select(
        select(func.count()).select_from(tables.runs).scalar_subquery(),
        select(func.count()).where(state == "awaiting_approval").scalar_subquery(),
        select(func.count()).where(state.in_(_IN_PROGRESS)).scalar_subquery(),
        select(func.count()).where(pending).scalar_subquery(),
    )
    return await database.read(lambda connection: Unsettled(*connection.execute(counts).one()))


async def audit(database: Database) -> list[AuditEntry]:
    """Return the whole audit log, oldest first."""
    names = AuditEntry.__slots__
    query = select(*(tables.audit.c[name] for name in names)).order_by(tables.audit.c.id)
    return await database.read(
        lambda connection: [AuditEntry(**row._mapping) for row in connection.execute(query)]
    )


async def rules(database: Database, guild_id: int) -> ServerRules:
    """Return a server's rules, with defaults for those that aren't set or can't be read."""
    table = tables.server_rules
    stored = await _scalar(database, select(table.c.rules).where(table.c.guild_id == guild_id))
    return parse_stored_rules(stored)[0] if stored is not None else ServerRules()


async def is_paused(database: Database) -> bool:
    """Return whether the bot's owner has paused it."""
    return await _scalar(database, _value_of("pause")) is not None


async def webhook_secret(database: Database) -> str | None:
    """Return the secret that the bot generated for its webhook URLs."""
    secret: str | None = await _scalar(database, _value_of("webhook_secret"))
    return secret


async def insert_rules(database: Database, guild_id: int, rules: Mapping[str, Any]) -> None:
    """Replace a server's rules, which may be invalid, without an audit entry."""
    table, now = tables.server_rules, datetime.now(UTC)
    days = rules.get("retention_days", ServerRules().retention_days)
    values = {"guild_id": guild_id, "rules": rules, "updated_at": now, "updated_by": 1}
    values["retention_days"] = days

    def replace(connection: Connection) -> None:
        connection.execute(delete(table).where(table.c.guild_id == guild_id))
        connection.execute(insert(table).values(values))

    await database.write(replace)


async def insert_audit(database: Database, *entries: AuditEntry) -> None:
    """Add entries to the audit log."""
    rows = [{name: getattr(entry, name) for name in AuditEntry.__slots__} for entry in entries]
    await database.write(lambda connection: connection.execute(insert(tables.audit), rows))


async def insert_runs(database: Database, *planted: Run, due_at: datetime | None = None) -> None:
    """Add runs whose status messages are up to date, and which the bot polls at `due_at`."""
    rows = [_row(run) | {"due_at": due_at} for run in planted]
    requests = {row["request_key"]: row | {"key": row["request_key"]} for row in rows}

    def add(connection: Connection) -> None:
        stored = set(connection.execute(select(tables.requests.c.key)).scalars())
        new = [row for key, row in requests.items() if key not in stored]
        for table, found in ((tables.requests, new), (tables.runs, rows)):
            values = [{name: value for name, value in row.items() if name in table.c} for row in found]
            if values:
                connection.execute(insert(table), values)
        answers = [_answer(row) for row in new]
        if answers:
            connection.execute(insert(tables.messages), answers)

    await database.write(add)


async def delete_runs(database: Database) -> None:
    """Delete all requests with their runs and messages, as retention does."""
    await database.write(_delete_runs)


async def set_schema_version(database: Database, version: str) -> None:
    """Set the schema version, as if another version of the bot had created the database."""
    change = text("UPDATE alembic_version SET version_num = :version")
    await database.write(lambda connection: connection.execute(change, {"version": version}))


async def insert_foreign_table(database: Database) -> None:
    """Add another program's table that has the name of one of the bot's tables."""
    await database.write(lambda connection: connection.execute(text("CREATE TABLE runs (distance REAL)")))


async def _scalar(database: Database, query: Select[Any]) -> Any:
    return await database.read(lambda connection: connection.scalar(query))


def _value_of(name: str) -> Select[Any]:
    return select(tables.key_values.c.value).where(tables.key_values.c.name == name)


def _run(row: Row[Any]) -> Run:
    stored = row._mapping
    request = Request(
        key=row.request_key,
        answer_id=row.status_message_id,
        **{name: stored[name] for name in _REQUEST},
    )
    outputs = tuple(Output(**output) for output in row.outputs)
    return Run(
        request=request,
        state=RunState(row.state),
        outputs=outputs,
        charged=row.charged_seconds,
        **{name: stored[name] for name in _RUN},
    )


def _row(run: Run) -> dict[str, Any]:
    request = run.request
    return {
        "request_key": request.key,
        "index": run.index,
        "count": request.count,
        "status_message_id": request.answer_id,
        "state": run.state,
        "outputs": [asdict(output) for output in run.outputs],
        "file_deployments": [],
        "charged_seconds": run.charged,
        "failure_params": {},
        "upload_limit": 10 * 1024 * 1024,
        "deadline_seconds": 3600,
        **{name: getattr(request, name) for name in _REQUEST},
        **{name: getattr(run, name) for name in _RUN},
    }


def _answer(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an answer that is up to date."""
    key, at = {"request_key": row["request_key"], "kind": "answer", "number": 0}, row["created_at"]
    return {**key, "shown_rev": 1, "posted": (), "stale": (), "due_at": at, "since": at}


def _message(row: Row[Any]) -> Message:
    is_pending = row.wanted_rev > row.shown_rev
    return Message(
        request_key=row.request_key,
        kind="copy" if row.kind in ("post", "share") else row.kind,
        number=row.number,
        state="pending" if is_pending else "undelivered" if row.offered else "sent",
        failures=row.failures,
        attempted=row.attempt is not None,
        ids=tuple(part.message_id for part in row.posted),
    )


def _delete_runs(connection: Connection) -> None:
    connection.execute(delete(tables.messages))
    connection.execute(delete(tables.runs))
    connection.execute(delete(tables.requests))
