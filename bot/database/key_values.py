"""Small named values: the webhook secret, what was synced, deployments as last seen."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select

from bot.database.engine import Database
from bot.database.tables import notes

_DEPLOYMENT = "deployment:"
_FAR_AHEAD = timedelta(hours=1)


class KeyValueStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> str | None:
        async with self._database.read() as connection:
            return await connection.scalar(select(notes.c.value).where(notes.c.name == name))

    async def put(self, name: str, value: str) -> None:
        async with self._database.exclusive(f"note {name}") as connection:
            await connection.execute(delete(notes).where(notes.c.name == name))
            await connection.execute(
                insert(notes).values(name=name, value=value, updated_at=datetime.now(UTC))
            )

    async def with_prefix(self, prefix: str) -> dict[str, str]:
        """All notes whose name begins so, by the rest of the name."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(notes.c.name, notes.c.value).where(notes.c.name.startswith(prefix, autoescape=True))
            )
            return {row.name.removeprefix(prefix): row.value for row in rows}

    async def secret(self, name: str) -> str:
        """A random secret, made on first use; every process that shares the store gets the same one."""
        async with self._database.exclusive(f"note {name}") as connection:
            found: str | None = await connection.scalar(select(notes.c.value).where(notes.c.name == name))
            if found is not None:
                return found
            made = secrets.token_urlsafe(32)
            await connection.execute(
                insert(notes).values(name=name, value=made, updated_at=datetime.now(UTC))
            )
            return made

    async def next_turn(self, name: str, now: datetime, pause: timedelta) -> datetime:
        """Takes a turn: `pause` after the one before, whichever process took that, or now."""
        async with self._database.exclusive(f"note {name}") as connection:
            last = await connection.scalar(select(notes.c.value).where(notes.c.name == name))
            before = datetime.fromisoformat(last) if last else now - pause
            # Taken by a clock that ran far ahead: it must not block everybody for as long.
            turn = max(now, before + pause) if before < now + _FAR_AHEAD else now
            await connection.execute(delete(notes).where(notes.c.name == name))
            await connection.execute(
                insert(notes).values(name=name, value=turn.isoformat(), updated_at=datetime.now(UTC))
            )
            return turn

    async def get_deployment(self, deployment_id: str) -> str | None:
        """A deployment as ComfyDeploy last described it, JSON."""
        return await self.get(_DEPLOYMENT + deployment_id)

    async def put_deployment(self, deployment_id: str, description: str) -> None:
        await self.put(_DEPLOYMENT + deployment_id, description)
