"""A key-value table for small state, such as the webhook secret and cached deployment descriptions."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select

from bot.database.engine import Database
from bot.database.tables import key_values
from bot.outside import Outside

_DEPLOYMENT = "deployment:"
_MAX_CLOCK_SKEW = timedelta(hours=1)


class KeyValueStore:
    """Stores named text values. Methods raise StoreUnavailable if the database is unreachable."""

    def __init__(self, database: Database, outside: Outside) -> None:
        self._database = database
        self._outside = outside

    async def get(self, name: str) -> str | None:
        async with self._database.read() as connection:
            return await connection.scalar(select(key_values.c.value).where(key_values.c.name == name))

    async def put(self, name: str, value: str) -> None:
        async with self._database.exclusive(f"key value {name}") as connection:
            await connection.execute(delete(key_values).where(key_values.c.name == name))
            await connection.execute(
                insert(key_values).values(name=name, value=value, updated_at=self._outside.now())
            )

    async def with_prefix(self, prefix: str) -> dict[str, str]:
        """Return all values whose name starts with `prefix`, keyed by their names without the prefix."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(key_values.c.name, key_values.c.value).where(
                    key_values.c.name.startswith(prefix, autoescape=True)
                )
            )
            return {row.name.removeprefix(prefix): row.value for row in rows}

    async def secret(self, name: str) -> str:
        """Return the random secret with this name, created on first use and shared by all processes."""
        async with self._database.exclusive(f"key value {name}") as connection:
            found: str | None = await connection.scalar(
                select(key_values.c.value).where(key_values.c.name == name)
            )
            if found is not None:
                return found
            value = self._outside.random.randbytes(32).hex()
            await connection.execute(
                insert(key_values).values(name=name, value=value, updated_at=self._outside.now())
            )
            return value

    async def reserve_slot(self, name: str, now: datetime, interval: timedelta) -> datetime:
        """Reserve the next point in time, at least `interval` after the last one reserved by any process."""
        async with self._database.exclusive(f"key value {name}") as connection:
            last = await connection.scalar(select(key_values.c.value).where(key_values.c.name == name))
            previous = datetime.fromisoformat(last) if last else now - interval
            # Ignore a slot from a clock that ran far ahead; it would block every process for that long.
            slot = max(now, previous + interval) if previous < now + _MAX_CLOCK_SKEW else now
            await connection.execute(delete(key_values).where(key_values.c.name == name))
            await connection.execute(
                insert(key_values).values(name=name, value=slot.isoformat(), updated_at=self._outside.now())
            )
            return slot

    async def get_deployment(self, deployment_id: str) -> str | None:
        """Return the cached description of a deployment as JSON, or None."""
        return await self.get(_DEPLOYMENT + deployment_id)

    async def put_deployment(self, deployment_id: str, description: str) -> None:
        await self.put(_DEPLOYMENT + deployment_id, description)
