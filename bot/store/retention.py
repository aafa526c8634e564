"""What a server's retention no longer wants: found and removed a little at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Column, ColumnElement, and_, delete, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.rules import ServerRules
from bot.store.database import Database
from bot.store.privacy import settled
from bot.store.tables import audit, runs, server_rules

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outdated:
    """Requests and lines of the record that are older than their server keeps them."""

    run_keys: Sequence[str]
    line_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Era:
    """A server with rules of its own, or (None) everything that has none; older than `before` goes."""

    guild_id: int | None
    before: datetime

    def holds(self, guild_id: Column[Any], at: Column[Any]) -> ColumnElement[bool]:
        if self.guild_id is not None:
            return and_(guild_id == self.guild_id, at < self.before)
        ruled = exists().where(server_rules.c.guild_id == guild_id)
        return and_(at < self.before, ~ruled)


class RetentionStore:
    """Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def outdated(self, now: datetime, many: int) -> Outdated | None:
        """Up to `many` requests and `many` lines; None when nothing is too old.

        A request stays while it runs and while a message is owed for it.
        """
        async with self._database.read() as connection:
            rules = await connection.execute(select(server_rules.c.guild_id, server_rules.c.rules))
            keys: list[str] = []
            ids: list[int] = []
            for era in _eras({row.guild_id: row.rules for row in rules}, now):
                keys += await _old_runs(connection, era, many - len(keys))
                ids += await _old_lines(connection, era, many - len(ids))
                if len(keys) >= many and len(ids) >= many:
                    break
        return Outdated(keys, ids) if keys or ids else None

    async def remove(self, outdated: Outdated) -> int:
        """Removes them, except what has come to life again; returns how many went.

        Several runs of one request go with the first of them.
        """
        async with self._database.write() as connection:
            gone_runs = await connection.execute(
                delete(runs).where(
                    or_(runs.c.key.in_(outdated.run_keys), runs.c.batch_key.in_(outdated.run_keys)), settled()
                )
            )
            gone_lines = await connection.execute(delete(audit).where(audit.c.id.in_(outdated.line_ids)))
            return gone_runs.rowcount + gone_lines.rowcount


async def _old_runs(connection: AsyncConnection, era: _Era, many: int) -> Sequence[str]:
    if many <= 0:
        return ()
    found = await connection.execute(
        select(runs.c.key)
        .where(era.holds(runs.c.guild_id, runs.c.created_at), runs.c.batch_index == 0, settled())
        .order_by(runs.c.created_at)
        .limit(many)
    )
    return found.scalars().all()


async def _old_lines(connection: AsyncConnection, era: _Era, many: int) -> Sequence[int]:
    if many <= 0:
        return ()
    # By number, which is the order of writing: no index has the time alone, so nothing has to be sorted.
    found = await connection.execute(
        select(audit.c.id).where(era.holds(audit.c.guild_id, audit.c.at)).order_by(audit.c.id).limit(many)
    )
    return found.scalars().all()


def _eras(stored: Mapping[int, object], now: datetime) -> Iterator[_Era]:
    for guild_id, rules in stored.items():
        try:
            days = ServerRules.model_validate(rules).retention_days
        except ValidationError:
            # Perhaps written by a newer version: nothing is removed on a guess.
            log.warning("the rules of server %s can't be read, so nothing of it is removed", guild_id)
            continue
        yield _Era(guild_id, now - timedelta(days=days))
    yield _Era(None, now - timedelta(days=ServerRules().retention_days))
