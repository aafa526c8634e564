"""Column types and a function that treat text and times the same way on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Float, Text, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from bot.domain.messages.records import MessageRef


class UtcDateTime(TypeDecorator[datetime]):
    """A time that is aware UTC in Python and naive UTC in the table, because SQLite stores no time zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None else None


class MessageRefs(TypeDecorator[tuple[MessageRef, ...]]):
    """A list of messages: MessageRefs in Python, and pairs of ids as JSON in the table."""

    impl = JSON
    cache_ok = True

    def process_result_value(
        self, value: list[list[int]] | None, dialect: Dialect
    ) -> tuple[MessageRef, ...] | None:
        return tuple(MessageRef(*pair) for pair in value) if value is not None else None


class CleanText(TypeDecorator[str]):
    """A text of any length, without NUL, which PostgreSQL refuses. Lone surrogates become `?`.

    Texts from outside are limited where they enter.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.replace("\0", "").encode(errors="replace").decode()


class SecondsBetween(FunctionElement[float]):
    """The seconds from one time to another, both of type UtcDateTime."""

    type = Float()
    inherit_cache = True


@compiles(SecondsBetween, "sqlite")
def _by_days(element: SecondsBetween, compiler: SQLCompiler, **more: Any) -> str:
    first, last = (compiler.process(each, **more) for each in element.clauses)
    return f"((julianday({last}) - julianday({first})) * 86400.0)"


@compiles(SecondsBetween, "postgresql")
def _by_epoch(element: SecondsBetween, compiler: SQLCompiler, **more: Any) -> str:
    first, last = (compiler.process(each, **more) for each in element.clauses)
    return f"EXTRACT(EPOCH FROM ({last} - {first}))::double precision"
