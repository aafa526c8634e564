"""Delete requests and audit entries that are older than their server's retention period.

Requests outside servers are kept as long as those of a server without rules, for the default of
`ServerRules.retention_days`.

A clock that jumps far ahead must not make everything expire. Retention therefore has a time of its own, which
follows the clock at no more than twice its pace, and by at most `_MAX_STEP` between two claims. Both times
are stored, so a restart changes nothing. After a long downtime, data is deleted late.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Column, ColumnElement, Connection, and_, delete, exists, select

from bot.database.engine import Database, reads, writes
from bot.database.key_values import KeyValueStore
from bot.database.message_rows import nothing_pending
from bot.database.row_locks import lock_requests, lock_rows
from bot.database.tables import audit, requests, server_rules
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import ledger

_CHUNK_SIZE = 200
# Retention's own time, and the clock's at the last claim.
_TIME_KEY = "retention time"
_MAX_STEP = timedelta(days=1)  # no longer than the shortest period

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExpiredRows:
    """Requests and audit entries past their server's retention period.

    The ledger's days before `used_before` have expired, too, unless that is None.
    """

    request_keys: Sequence[str]
    entry_ids: Sequence[int]
    used_before: date | None = None


@dataclass(frozen=True, slots=True)
class _RetentionPeriod:
    """A retention period: rows that are older than `before` have expired.

    The period applies to one server or, if `guild_id` is None, to everything that belongs to no server with
    rules.
    """

    guild_id: int | None
    before: datetime

    def covers(self, guild_id: Column[Any], at: Column[Any]) -> ColumnElement[bool]:
        if self.guild_id is not None:
            return and_(guild_id == self.guild_id, at < self.before)
        has_rules = exists().where(server_rules.c.guild_id == guild_id)
        return and_(at < self.before, ~has_rules)


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
        rules = connection.execute(select(server_rules.c.guild_id, server_rules.c.rules))
        keys: list[str] = []
        ids: list[int] = []
        for period in _periods({row.guild_id: row.rules for row in rules}, now):
            keys += _expired_requests(connection, period, limit - len(keys))
            ids += _expired_entries(connection, period, limit - len(ids))
            if len(keys) >= limit and len(ids) >= limit:
                break
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


def _expired_requests(connection: Connection, period: _RetentionPeriod, limit: int) -> Sequence[str]:
    if limit <= 0:
        return ()
    found = connection.execute(
        select(requests.c.key)
        .where(period.covers(requests.c.guild_id, requests.c.created_at), nothing_pending())
        .order_by(requests.c.created_at)
        .limit(limit)
    )
    return found.scalars().all()


def _expired_entries(connection: Connection, period: _RetentionPeriod, limit: int) -> Sequence[int]:
    if limit <= 0:
        return ()
    # Order by id, which is the order of writing, because no index is on the time alone.
    found = connection.execute(
        select(audit.c.id)
        .where(period.covers(audit.c.guild_id, audit.c.at))
        .order_by(audit.c.id)
        .limit(limit)
    )
    return found.scalars().all()


def _periods(stored: Mapping[int, object], now: datetime) -> Iterator[_RetentionPeriod]:
    for guild_id, rules in stored.items():
        try:
            days = ServerRules.model_validate(rules).retention_days
        except ValidationError:
            # A newer version may have written these rules, so don't guess the period.
            log.warning("can't read the rules of server %s, so its data is kept", guild_id)
            continue
        yield _RetentionPeriod(guild_id, now - timedelta(days=days))
    yield _RetentionPeriod(None, now - timedelta(days=ServerRules().retention_days))
