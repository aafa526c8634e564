"""Compile each SQL statement once for a test process instead of once for each test's engine.

SQLAlchemy keeps compiled statements per engine and dialect object, so a suite that opens two thousand
databases compiles the same statements again and again. They depend on the kind of database alone.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from bot.database import postgres, sqlite

_COMPILED: dict[Any, Any] = {}


def share_compiled_statements() -> None:
    """Give every engine of the bot one cache, in which dialects of a class are the same key."""
    for dialect in (SQLiteDialect_pysqlite, PGDialect_asyncpg):
        dialect.__eq__ = _same_class  # type: ignore[method-assign]
        dialect.__hash__ = _class_hash  # type: ignore[method-assign]
    cached: dict[str, Any] = {"execution_options": {"compiled_cache": _COMPILED}}
    sqlite.create_engine = partial(sqlite.create_engine, **cached)  # type: ignore[attr-defined]
    postgres.create_async_engine = partial(postgres.create_async_engine, **cached)  # type: ignore[attr-defined]


def _same_class(self: object, other: object) -> bool:
    return type(self) is type(other)


def _class_hash(self: object) -> int:
    return hash(type(self))
