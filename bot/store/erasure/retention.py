"""Delete requests and audit entries that are older than their server's retention period.

Requests outside servers are kept as long as those of a server without rules, for the default of
`ServerRules.retention_days`.

A clock that jumps far ahead must not make everything expire. Retention therefore has a time of its own, which
follows the clock at no more than twice its pace, and by at most `_MAX_STEP` between two claims. Both times
are stored, so a restart changes nothing. After a long downtime, data is deleted late.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, bindparam, delete, exists, select

from bot.database.engine import Database, reads, writes
from bot.database.key_values import KeyValueStore
from bot.database.message_rows import nothing_pending
from bot.database.row_locks import lock_requests, lock_rows
from bot.database.tables import UtcDateTime, audit, requests, server_rules
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import ledger

_CHUNK_SIZE = 200
# Retention's own time, and the clock's at the last claim.
_TIME_KEY = "retention time"
_MAX_STEP = timedelta(days=1)  # no longer than the shortest period

log = logging.getLogger(__name__)
_PERIODS = select(server_rules.c.retention_days).distinct()
_Statements = tuple[Select[Any], Select[Any]]


def _older(key: Column[Any], at: Column[Any], *where: ColumnElement[bool]) -> _Statements:
    """Select what is older than `before`: on the servers with a period of `days`, and on those without rules.

    Servers that share a period share a query. A query for each server would take too long with many servers.
    """
    older = select(key).where(at < bindparam("before", type_=UtcDateTime()), *where)
    older = older.limit(bindparam("limit"))
    of_server = server_rules.c.guild_id == key.table.c.guild_id
    by_period = older.where(of_server, server_rules.c.retention_days == bindparam("days"))
    return by_period, older.where(~exists().where(of_server))


_EXPIRED_REQUESTS = _older(requests.c.key, requests.c.created_at, nothing_pending())
_EXPIRED_ENTRIES = _older(audit.c.id, audit.c.at)


@dataclass(frozen=True, slots=True)
class ExpiredRows:
    """Requests and audit entries past their server's retention period.

    The ledger's days before `used_before` have expired, too, unless that is None.
    """

    request_keys: Sequence[str]
    entry_ids: Sequence[int]
    used_before: date | None = None


class RetentionStore:
    """Deletes rows past their retention period. Raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database, key_values: KeyValueStore) -> None:
        self._database = database
        self._key_values = key_values

    async def claim(self, now: datetime, limit: int = _CHUNK_SIZE) -> ExpiredRows | None:
        """Return what has expired, with up to `limit` requests and as many audit entries, or None.

        A request stays while it runs and while one of its messages is pending. `now` is the clock's time.
        """
        return await self._expired(await self._advance_to(now), limit)

    @reads
    def _expired(self, connection: Connection, now: datetime, limit: int) -> ExpiredRows | None:
        keys = _find(connection, _EXPIRED_REQUESTS, now, limit)
        ids = _find(connection, _EXPIRED_ENTRIES, now, limit)
        oldest = ledger.oldest_kept(now)
        used_before = oldest if ledger.has_old(connection, oldest) else None
        return ExpiredRows(keys, ids, used_before) if keys or ids or used_before else None

    @writes
    def handle(self, connection: Connection, rows: ExpiredRows) -> None:
        """Remove the rows of a claim, except requests that have a pending message again.

        A request's runs are removed with it.
        """
        # Lock first, because a DELETE locks in any order. Check for pending messages once all are locked.
        keys = lock_requests(connection, rows.request_keys)
        removed_requests = connection.execute(
            delete(requests).where(requests.c.key.in_(keys), nothing_pending())
        )
        ids = lock_rows(connection, audit.c.id, audit.c.id.in_(rows.entry_ids))
        removed_entries = connection.execute(delete(audit).where(audit.c.id.in_(ids)))
        removed = removed_requests.rowcount + removed_entries.rowcount
        if rows.used_before is not None:
            removed += ledger.remove_old(connection, rows.used_before)
        log.info("removed %s expired requests, audit entries and days of usage", removed)

    async def _advance_to(self, clock: datetime) -> datetime:
        """Store and return retention's time for this claim."""
        stored = await self._key_values.get(_TIME_KEY)
        time = _follow(clock, *map(datetime.fromisoformat, stored.split())) if stored else clock
        await self._key_values.put(_TIME_KEY, f"{time.isoformat()} {clock.isoformat()}")
        return time


def _follow(clock: datetime, time: datetime, last_clock: datetime) -> datetime:
    """Return retention's time. `time` and `last_clock` are those of the last claim."""
    elapsed = max(clock - last_clock, timedelta())
    followed = min(clock, time + min(2 * elapsed, _MAX_STEP))
    if followed < clock and elapsed > _MAX_STEP:
        log.warning("retention follows slowly: the clock has advanced by %s since the last claim", elapsed)
    return followed


def _find(connection: Connection, statements: _Statements, now: datetime, limit: int) -> list[Any]:
    """Return up to `limit` keys of rows that are older than the period of their server."""
    by_period, without_rules = statements
    periods = [(by_period, days) for days in connection.execute(_PERIODS).scalars()]
    found: list[Any] = []
    for statement, days in (*periods, (without_rules, ServerRules().retention_days)):
        values = {"before": now - timedelta(days=days), "days": days, "limit": limit - len(found)}
        found += connection.execute(statement, values).scalars()
    return found
