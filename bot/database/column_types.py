"""Column types that store text and times the same way on SQLite and PostgreSQL, and lists of messages.

SQLite ignores a column's length and stores NUL; PostgreSQL refuses strings that are too long or contain NUL.
The types of text truncate a string that is too long if it is only shown, and refuse it if it is compared,
such as a key.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, String, Text, TypeDecorator
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeEngine

from bot.domain.errors import DoesNotFit
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


def clean(value: str) -> str:
    """Remove NUL, and replace lone surrogates with a question mark."""
    value = value.replace("\0", "")
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="replace").decode()
    return value


class CleanText(TypeDecorator[str]):
    """A string of any length. As in all these types, NUL is removed, and lone surrogates become `?`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return clean(value) if value is not None else None


class _Limited(TypeDecorator[str]):
    """A string of limited length. A query may still compare the column with a longer one."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        return CleanText()


class CutString(_Limited):
    """A string that is only shown, and is truncated to the column's length."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return clean(value)[: self.length] if value is not None else None


class ExactString(_Limited):
    """A string that is compared or passed on, and is refused with DoesNotFit if it is too long."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        cleaned = clean(value)
        if len(cleaned) > self.length:
            raise _TooLong(f"{len(cleaned)} characters for a column of {self.length}: {cleaned[:20]!r}…")
        return cleaned


class _TooLong(DoesNotFit, DontWrapMixin):
    """A DoesNotFit that SQLAlchemy doesn't wrap in an error of its own."""
