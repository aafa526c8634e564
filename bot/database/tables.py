"""The tables. What a person asked for is a row of `requests`, with one or more rows of `runs`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TextClause,
    TypeDecorator,
    false,
    literal_column,
    text,
)

from bot.domain.messages import Attempt, MessageRef, Part
from bot.domain.runs import IN_FLIGHT


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, which comes back in UTC. On SQLite it is ISO text, the fastest way to store one."""

    impl = DateTime(timezone=True).with_variant(Text(), "sqlite")
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return time_text(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return datetime.fromisoformat(value) if isinstance(value, str) else value


def time_text(value: datetime) -> str:
    """Return an aware time as text. All texts have the same zone and length, so they sort as the times do."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")


class AsJson(TypeDecorator[Any]):
    """A value of a type that pydantic knows, such as a record or a tuple of records, as JSON in the table."""

    impl = JSON
    cache_ok = True

    def __init__(self, of: Any) -> None:
        super().__init__(none_as_null=True)
        self.of = of
        self._adapter = TypeAdapter[Any](of)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return self._adapter.dump_python(value, mode="json", warnings="error") if value is not None else None

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return self._adapter.validate_python(value) if value is not None else None


class CleanText(TypeDecorator[str]):
    """A text of any length, without NUL, which PostgreSQL refuses. Lone surrogates become `?`.

    Texts from outside are limited where they enter.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        value = value.replace("\0", "")
        return value if value.isascii() else value.encode(errors="replace").decode()


def _partial(name: str, *columns: str | TextClause, where: str) -> Index:
    """Return an index of the rows that match a condition."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


def _literals(codes: Collection[str]) -> list[str]:
    return [f"'{code}'" for code in sorted(codes)]


def is_any(column: ColumnElement[Any], codes: Collection[str]) -> ColumnElement[bool]:
    """Match a stored code by literals.

    SQLite uses a partial index only for the same list in the same order, and a list of parameters is written
    into the statement anew each time it is executed, which takes longer than the statement.
    """
    return column.in_([literal_column(literal) for literal in _literals(codes)])


metadata = MetaData()
_IS_IN_FLIGHT = f"state IN ({', '.join(_literals(IN_FLIGHT))})"
_IS_WAITING = "state = 'waiting'"
# The schema of the database. Alembic owns this table, so it isn't part of the schema itself.
alembic_version = Table("alembic_version", MetaData(), Column("version_num", Text, primary_key=True))
# What a person asked for. Locking this row locks the request with all its runs.
requests = Table(
    "requests",
    metadata,
    Column("key", CleanText, primary_key=True),  # also the key of the first run
    Column("created_at", UtcDateTime, nullable=False),
    Column("requester_id", BigInteger, nullable=False),
    Column("guild_id", BigInteger),
    Column("channel_id", BigInteger, nullable=False),
    Column("prompt", CleanText),
    Column("parent_key", CleanText),
    Column("preset_note", CleanText),  # which presets gave it values, as its messages say
    Column("count", Integer, nullable=False, server_default="1"),  # how many runs it has
    Column("press", CleanText),  # a digest of what started it; see domain.requests.press_id
    # Only the requester sees the request's messages.
    Column("private", Boolean, nullable=False, server_default=false()),
    Column("age_restricted", Boolean, nullable=False, server_default=false()),
    # whether the channel of the request was age-restricted when it was accepted
    Column("channel_age_restricted", Boolean, nullable=False, server_default=false()),
    # the ids of the deployments that made the files which the runs take; see domain.requests
    Column("file_deployments", JSON, nullable=False),
    # how to reply
    Column("interaction_id", BigInteger),
    Column("interaction_token", CleanText),
    Column("interaction_expires_at", UtcDateTime),
    Column("upload_limit", BigInteger, nullable=False),
    # The bot isn't a member of the server, so only the interaction can post in the channel.
    Column("user_install", Boolean, nullable=False, server_default=false()),
    Column("status_message_id", BigInteger),
    Column("status_note", CleanText),  # the code of a sentence in the status message
    # who is changing the request's messages, and until when nobody else may
    Column("lease_owner", CleanText),
    Column("lease_until", UtcDateTime),
    # set by the server's rules and moderators
    Column("deadline_seconds", Integer, nullable=False),
    Column("run_timeout", Integer),  # ComfyDeploy's own limit, in seconds from the start of a run
    Column("review_channel_id", BigInteger),
    Column("requester_joined_at", UtcDateTime),
    Column("requester_roles", JSON(none_as_null=True)),  # as of the request or its approval
    Column("decided_by", BigInteger),
    Column("decided_at", UtcDateTime),
    Column("spoiler", Boolean, nullable=False, server_default=false()),
    Index("requests_created", "created_at"),
    Index("requests_requester", "requester_id", "created_at"),
    Index("requests_guild", "guild_id", "created_at"),
    _partial(
        "requests_ending",
        "interaction_expires_at",
        where="user_install AND interaction_expires_at IS NOT NULL",
    ),
    # In a rolling restart two processes receive each interaction; only one may accept it.
    Index("requests_interaction", "interaction_id", unique=True),
)
# One queue call each: what it sends, and what became of it.
runs = Table(
    "runs",
    metadata,
    Column("key", CleanText, primary_key=True),
    Column(
        "request_key",
        CleanText,
        ForeignKey("requests.key", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("index", Integer, nullable=False, server_default="0"),  # in the request, from 0
    Column("state", CleanText, nullable=False),
    # Copies of the request's columns, which the indexes of the queue need.
    Column("created_at", UtcDateTime, nullable=False),
    Column("requester_id", BigInteger, nullable=False),
    Column("guild_id", BigInteger),
    # how many runs the requester and the server may have in flight; NULL: no limit
    Column("user_limit", Integer),
    Column("server_limit", Integer),
    # The place in the deployment's queue: smaller tags start first. 0: not queued, or never started.
    Column("queue_tag", BigInteger, nullable=False, server_default="0"),
    # what is sent
    Column("deployment", CleanText, nullable=False),
    Column("deployment_id", CleanText, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("gpu", CleanText),
    Column("expected_gpu", CleanText),  # the one that GPU rules apply to; NULL: unknown
    Column("seed", BigInteger),
    # as ComfyDeploy reports it
    Column("run_id", CleanText),
    Column("live_status", CleanText),
    Column("progress", Float),
    Column("queue_position", Integer),
    Column("outputs", JSON, nullable=False),
    Column("gpu_used", CleanText),
    Column("run_duration", Float),
    Column("submitted_at", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("cancel_requested_at", UtcDateTime),
    Column("cancelled_by", BigInteger),
    Column("failure_code", CleanText),
    Column("failure_params", JSON, nullable=False),
    Column("failure_log", CleanText),  # the end of the machine's log, without addresses, paths and secrets
    Column("partial", Boolean, nullable=False, server_default=false()),  # ended unsuccessfully, with outputs
    Column("outputs_since", UtcDateTime),  # when the outputs were first seen after the last node
    Column("deleted_at", UtcDateTime),
    Column("deleted_by", BigInteger),
    Column("erased_at", UtcDateTime),  # when the requester erased the inputs and outputs
    Column("report_channel_id", BigInteger),
    # Whether its outputs are shown only once they are checked, and the verdicts; see domain.picture_check
    Column("to_check", Boolean, nullable=False, server_default=false()),
    Column("verdicts", JSON(none_as_null=True)),
    Column("held_until", UtcDateTime),  # when held outputs are hidden unless a moderator has decided
    Column("weight", Float, nullable=False, server_default="1"),  # the weight of a second on the run's GPU
    Column("reserved_seconds", Float, nullable=False, server_default="60"),  # its cost until that is known
    Column("charged_on", Date),  # the day on which the ledger counts the run; NULL before its approval
    # the workers' state
    Column("waiting_code", CleanText),  # the rule that this run waits for; the code of a sentence
    Column("waiting_params", JSON(none_as_null=True)),
    # When a worker handles it next; NULL: never. A run that awaits approval expires then.
    Column("due_at", UtcDateTime),
    Column("checks", Integer, nullable=False, server_default="0"),
    Column("claim_id", CleanText),  # identifies the claim that makes the queue call
    Index("runs_request", "request_key", "index", unique=True),
    Index("runs_due", "state", "due_at"),
    Index("runs_guild_state", "guild_id", "state", "created_at"),
    # Contains all that a claim looks at, so that it skips runs without reading their rows.
    _partial(
        "runs_queue",
        *("deployment", "queue_tag", "created_at", "key", "guild_id", "requester_id"),
        *("user_limit", "server_limit", "due_at", "state"),
        where=_IS_WAITING,
    ),
    _partial("runs_places", "deployment", text("coalesce(queue_position, 0)"), "due_at", where=_IS_WAITING),
    _partial("runs_in_flight", "state", "guild_id", "requester_id", "deployment", where=_IS_IN_FLIGHT),
    Index("runs_turns", "deployment", "requester_id", "queue_tag"),
    Index("runs_ended", "state", "ended_at"),
    _partial("runs_held", "held_until", where="held_until IS NOT NULL"),
    # Partial, so that only successes are indexed. The expression replaces NULL, because SQLite would prefer
    # another index to one that it has to search for NULL.
    _partial(
        "runs_succeeded",
        *("deployment", text("coalesce(expected_gpu, '')"), "ended_at"),
        where="state = 'succeeded'",
    ),
)
# What Discord should show about a request. Columns are explained at `domain.messages.Message`.
messages = Table(
    "messages",
    metadata,
    Column("request_key", CleanText, ForeignKey("requests.key", ondelete="CASCADE"), primary_key=True),
    Column("purpose", CleanText, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("wanted_rev", Integer, nullable=False, server_default="1"),
    Column("shown_rev", Integer, nullable=False, server_default="0"),
    Column("posted", AsJson(tuple[Part, ...]), nullable=False),
    Column("stale", AsJson(tuple[MessageRef, ...]), nullable=False),
    Column("attempt", AsJson(Attempt)),
    Column("rendering", Integer, nullable=False, server_default="0"),
    Column("place", Integer),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("due_at", UtcDateTime, nullable=False),  # when it may be changed, if it is out of date
    Column("since", UtcDateTime, nullable=False),  # when the last revision was wanted
    Column("channel_id", BigInteger),
    Column("with_prompt", Boolean, nullable=False, server_default=false()),  # a share shows the prompt
    Column("offered", Boolean, nullable=False, server_default=false()),
    Column("deleted_by", BigInteger),
    _partial("messages_due", "due_at", where="wanted_rev > shown_rev"),
    _partial("messages_offered", "request_key", where="offered"),
)
# What each person used on each day (UTC) on each server. Server 0 is everything outside
# servers, and its person 0 is the whole bot (bot/store/ledger.py).
usage = Table(
    "usage",
    metadata,
    Column("day", Date, primary_key=True),
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("person_id", BigInteger, primary_key=True, autoincrement=False),
    Column("runs", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("weighted_seconds", Float, nullable=False),
    Column("failures", Integer, nullable=False),  # runs that failed without outputs
    Index("usage_person", "person_id", "day"),
)
# The virtual time of each deployment that has ever had a request: the largest tag that was claimed.
queues = Table(
    "queues",
    metadata,
    Column("deployment", CleanText, primary_key=True),
    Column("virtual_time", BigInteger, nullable=False),
    # why no run of it starts for now: the code of a sentence, and its values
    Column("waits_for", CleanText),
    Column("waits_params", JSON(none_as_null=True)),
)
# Small state by name: the webhook secret, hashes of synced commands, deployment descriptions, the pause.
key_values = Table(
    "key_values",
    metadata,
    Column("name", CleanText, primary_key=True),
    Column("value", CleanText, nullable=False),
)
server_rules = Table(
    "server_rules",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("rules", JSON, nullable=False),
    # a copy of the rule of this name, so that one statement finds what has expired on many servers
    Column("retention_days", Integer, nullable=False),
    Index("server_rules_retention", "retention_days", "guild_id"),
)
blocks = Table(
    "blocks",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", CleanText),
    Column("until", UtcDateTime),  # NULL: until somebody unblocks them
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", BigInteger, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("guild_id", BigInteger),
    Column("actor_id", BigInteger),  # NULL: the bot itself
    Column("subject_id", BigInteger),  # the user whom the entry is about
    Column("action", CleanText, nullable=False),
    Column("run_key", CleanText),  # that of the first run, if the entry is about a whole request
    Column("deployment", CleanText),
    Column("outcome", CleanText),
    Column("details", JSON, nullable=False),
    Index("audit_guild", "guild_id", "at"),
    Index("audit_subject", "guild_id", "subject_id", "at"),
    Index("audit_user", "subject_id", "at"),
)
# Saved inputs, by their ComfyDeploy names; `holder` is p for a user, s for a server.
presets = Table(
    "presets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("holder", CleanText, nullable=False),
    Column("holder_id", BigInteger, nullable=False),
    Column("name", CleanText, nullable=False),
    Column("folded", CleanText, nullable=False),  # the name, case-folded, for lookups
    Column("deployment", CleanText, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("gpu", CleanText),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", BigInteger),  # NULL: the creator erased their data
    Column("is_default", Boolean, nullable=False, server_default=false()),  # of a person, for its deployment
    Index("presets_name", "holder", "holder_id", "folded", unique=True),
    Index("presets_creator", "created_by"),
)
# The preset that `/generate` uses by default in a channel: the server's preset with this folded name.
channel_defaults = Table(
    "channel_defaults",
    metadata,
    Column("channel_id", BigInteger, primary_key=True, autoincrement=False),
    Column("guild_id", BigInteger, nullable=False),
    Column("folded", CleanText, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
    Column("set_by", BigInteger),  # NULL: this person erased their data
    Index("channel_defaults_preset", "guild_id", "folded"),
    Index("channel_defaults_setter", "set_by"),
)
