"""How many requests ComfyDeploy has at this moment, by person and by server."""

from __future__ import annotations

from sqlalchemy import case, func, select

from bot.domain.budgets import Running
from bot.domain.runs import IN_FLIGHT
from bot.store.database import Database
from bot.store.tables import runs


class RunningStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, guild_id: int | None, person_id: int) -> Running:
        """`guild_id` None: direct messages."""
        here = runs.c.guild_id == guild_id if guild_id is not None else runs.c.guild_id.is_(None)
        own = func.sum(case((runs.c.requester_id == person_id, 1), else_=0))
        query = select(func.coalesce(own, 0), func.count()).where(runs.c.state.in_(IN_FLIGHT), here)
        async with self._database.read() as connection:
            person, server = (await connection.execute(query)).one()
            return Running(int(person), int(server))
