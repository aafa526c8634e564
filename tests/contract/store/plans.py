"""How a database means to read a query: the steps of its plan, as text."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, text

from bot.store import Store


async def plan_of(store: Store, query: Select[Any], *, scans: bool = True) -> str:
    """`scans=False`: how PostgreSQL reads it when reading the whole table is out of the question.

    PostgreSQL gathers its statistics by itself and the tests hurry it. SQLite has none unless somebody asks,
    which the bot never does: with them it takes each state to be as frequent as any other.
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
