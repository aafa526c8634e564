"""A key-value table for small state, such as the webhook secret and cached deployment descriptions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from sqlalchemy import Connection, bindparam, delete, insert, select

from bot.database.engine import Database, Repository, reads, writes
from bot.database.row_locks import lock
from bot.database.tables import key_values

T = TypeVar("T")
_MAX_CLOCK_SKEW = timedelta(hours=1)
VALUE = select(key_values.c.value).where(key_values.c.name == bindparam("of"))


def read_value(connection: Connection, name: str) -> str | None:
    value: str | None = connection.scalar(VALUE, {"of": name})
    return value


def lock_value(connection: Connection, name: str) -> str | None:
    """Exclude other transactions that change a value, and return it."""
    lock(connection, f"key value {name}")
    return read_value(connection, name)


def write_value(connection: Connection, name: str, value: str) -> None:
    """Store a value that `lock_value` has locked."""
    connection.execute(delete(key_values).where(key_values.c.name == name))
    connection.execute(insert(key_values).values(name=name, value=value))


class KeyValueStore(Repository):
    def __init__(self, database: Database, random: Random) -> None:
        super().__init__(database)
        self._random = random

    @reads
    def get(self, connection: Connection, name: str) -> str | None:
        return read_value(connection, name)

    @writes
    def put(self, connection: Connection, name: str, value: str) -> None:
        lock_value(connection, name)
        write_value(connection, name, value)

    async def secret(self, name: str) -> str:
        """Return the random secret with this name, created on first use and shared by all processes."""
        new = self._random.randbytes(32).hex()
        return await self.change(name, lambda stored: (stored or new, stored or new))

    @writes
    def change(
        self, connection: Connection, name: str, change: Callable[[str | None], tuple[str | None, T]]
    ) -> T:
        """Store what `change` makes of a value, unless that is None, and return its other result."""
        before = lock_value(connection, name)
        after, result = change(before)
        if after is not None and after != before:
            write_value(connection, name, after)
        return result

    @writes
    def reserve_slot(self, connection: Connection, name: str, now: datetime, interval: timedelta) -> datetime:
        """Reserve the next point in time, at least `interval` after the last one reserved by any process."""
        last = lock_value(connection, name)
        previous = datetime.fromisoformat(last) if last else now - interval
        # Ignore a slot from a clock that ran far ahead; it would block every process for that long.
        slot = max(now, previous + interval) if previous < now + _MAX_CLOCK_SKEW else now
        write_value(connection, name, slot.isoformat())
        return slot
