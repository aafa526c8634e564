"""Query plans."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, text

from bot.store import Store


async def plan_of(store: Store, query: Select[Any], *, scans: bool = True) -> str:
    """Return the steps of the query's plan; with `scans=False`, PostgreSQL may not scan a whole table.

    PostgreSQL gathers statistics by itself, so they are gathered here first. The bot never asks SQLite for
    statistics, with which SQLite would take each state to be as frequent as any other.
    """
    compiled = query.compile(
        store.database.engine, compile_kwargs={"literal_binds": True, "render_postcompile": True}
    )
    async with store.database.write() as connection:
        if store.database.is_sqlite:
            found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
        else:
            await connection.execute(text("ANALYZE"))
            if not scans:
                await connection.execute(text("SET LOCAL enable_seqscan = off"))
            found = await connection.exec_driver_sql(f"EXPLAIN {compiled}")
        return str(found.all())
