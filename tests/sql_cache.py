"""Compile each SQL statement once for a test process instead of once for each test's engine.

SQLAlchemy keeps compiled statements per engine and dialect object, so a suite that opens two thousand
databases compiles the same statements again and again. They depend on the kind of database alone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.database import engine

_COMPILED: dict[Any, Any] = {}


def share_compiled_statements() -> None:
    """Give every engine of the bot one cache, in which dialects of a class are the same key."""
    for dialect in (SQLiteDialect_aiosqlite, PGDialect_asyncpg):
        dialect.__eq__ = _same_class  # type: ignore[assignment,method-assign]
        dialect.__hash__ = _class_hash  # type: ignore[assignment,method-assign]
    engine.create_async_engine = _create_engine  # type: ignore[attr-defined]


def _create_engine(*args: Any, **options: Any) -> AsyncEngine:
    return create_async_engine(*args, execution_options={"compiled_cache": _COMPILED}, **options)


def _same_class(self: object, other: object) -> bool:
    return type(self) is type(other)


def _class_hash(self: object) -> int:
    return hash(type(self))
