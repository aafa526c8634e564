"""Column types that store a text the same way on SQLite and PostgreSQL.

SQLite ignores a column's length and stores NUL; PostgreSQL refuses texts that are too long or contain NUL.
Here, long texts from users and services are truncated, and compared texts, such as keys, are refused.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, String, Text, TypeDecorator
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeEngine

from bot.domain.errors import DoesNotFit


def clean(value: str) -> str:
    """Return a text without NUL, and with a mark in place of half a surrogate pair."""
    value = value.replace("\0", "")
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="replace").decode()
    return value


class CleanText(TypeDecorator[str]):
    """A text of any length."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return clean(value) if value is not None else None


class _Limited(TypeDecorator[str]):
    """A text of limited length. A longer one may still be looked for."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        return CleanText()


class CutString(_Limited):
    """A text that is only shown, and is cut to its length."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return clean(value)[: self.length] if value is not None else None


class ExactString(_Limited):
    """A text that is compared or sent on, and is refused if it is too long. Raises DoesNotFit."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        cleaned = clean(value)
        if len(cleaned) > self.length:
            raise _TooLong(f"a text of {len(cleaned)} characters, where {self.length} fit: {cleaned[:20]!r}…")
        return cleaned


class _TooLong(DoesNotFit, DontWrapMixin):
    """DoesNotFit, which SQLAlchemy doesn't wrap in an error of its own."""
