"""Insert rows directly, for tests that don't care how the rows came there; read rows and query plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Select, delete, event, insert, select, text

from bot.database.rows import insert_rows, new_row
from bot.database.tables import audit, messages, runs, server_rules
from bot.domain.messages import Purpose
from bot.domain.moderation import Block
from bot.domain.runs import RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import Store, blocks
from tests.contract.store.runs import NOW, place, request

GUILD = 1 << 62
ALICE, BOB, MOD = (1 << 61) + 1, (1 << 61) + 2, (1 << 61) + 3


async def stored_run(
    store: Store,
    state: RunState = RunState.SUCCEEDED,
    *,
    at: datetime = NOW,
    person: int = ALICE,
    guild: int | None = GUILD,
    outcome: Literal["pending", "sent", "offered"] | None = "sent",
    **more: Any,
) -> str:
    """Insert a run in some state with an outcome and return its key."""
    asked = request(
        requester_id=person,
        **asdict(place(guild_id=guild, channel_id=2, interaction_expires_at=at)),
        created_at=at,
        seed=7,
    )
    outputs = [{"kind": "images", "url": "https://outputs.example/a.png", "filename": "a.png"}]
    submitted_at = None if state in (RunState.WAITING, RunState.AWAITING_APPROVAL) else at
    own = {"state": state, "outputs": outputs, "submitted_at": submitted_at, **more}
    values = new_row(asked) | own

    def work(connection: Connection) -> Any:
        insert_rows(connection, [values])
        if outcome is not None:
            shown = {"shown_rev": outcome != "pending", "offered": outcome == "offered"}
            key = {"request_key": asked.key, "purpose": Purpose.OUTCOME, "number": 0}
            row = {**key, **shown, "due_at": at, "since": at, "posted": (), "stale": ()}
            connection.execute(insert(messages).values(row))

    await store.database.write(work)
    return asked.key


async def stored_rules(store: Store, guild: int, rules: object) -> None:
    """Replace a server's rules by others, which need not be valid."""
    stored = rules if isinstance(rules, Mapping) else {}
    days = stored.get("retention_days", ServerRules().retention_days)
    values = {"rules": rules, "retention_days": days}

    def work(connection: Connection) -> Any:
        connection.execute(delete(server_rules).where(server_rules.c.guild_id == guild))
        connection.execute(insert(server_rules).values(guild_id=guild, **values))

    await store.database.write(work)


async def audit_log(store: Store) -> Sequence[Any]:
    """Return the whole audit log, oldest first."""
    return await store.database.read(
        lambda connection: (connection.execute(select(audit).order_by(audit.c.id))).all()
    )


async def run_keys(store: Store) -> set[str]:
    return await store.database.read(
        lambda connection: set((connection.execute(select(runs.c.key))).scalars())
    )


@contextmanager
def selects(store: Store) -> Iterator[list[str]]:
    """Collect the statements that read."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and " FROM " in statement.replace("\n", " "):
            seen.append(statement)

    engine = store.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def plan_of(store: Store, query: Select[Any], *, scans: bool = True) -> str:
    """Return the steps of the query's plan; with `scans=False`, PostgreSQL may not scan a whole table.

    PostgreSQL gathers statistics by itself, so they are gathered here first. The bot never asks SQLite for
    statistics, with which SQLite would expect each state to be equally frequent.
    """
    compiled = query.compile(
        store.database.engine, compile_kwargs={"literal_binds": True, "render_postcompile": True}
    )

    def work(connection: Connection) -> Any:
        if store.database.is_sqlite:
            found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
        else:
            connection.execute(text("ANALYZE"))
            if not scans:
                connection.execute(text("SET LOCAL enable_seqscan = off"))
            found = connection.exec_driver_sql(f"EXPLAIN {compiled}")
        return str(found.all())

    return await store.database.write(work)


async def block(
    store: Store, user_id: int, *, at: datetime, guild_id: int = GUILD, by: int = MOD, **more: Any
) -> int:
    """Block a user, by default for no reason until the block is lifted. Return how many runs ended."""
    values = {"reason": None, "until": None, **more}
    made = Block(guild_id=guild_id, user_id=user_id, created_at=at, created_by=by, **values)
    return await store.database.write(blocks.add, made)


async def active_blocks(store: Store, now: datetime, guild_id: int = GUILD, **page: int) -> Sequence[Block]:
    return await store.database.read(blocks.active, guild_id, now, **{"limit": 10, **page})


async def unblock(store: Store, user_id: int, *, at: datetime, guild_id: int = GUILD) -> bool:
    return await store.database.write(blocks.lift, guild_id, user_id, by=MOD, now=at)
