"""Export and erase personal data, and delete what is older than its server's retention period.

Requests outside servers are kept as long as those of a server without rules, for the default of
`ServerRules.retention_days`.

A clock that jumps far ahead must not make everything expire. Retention therefore has a time of its own, which
follows the clock at no more than twice its pace, and by at most `_MAX_STEP` between two claims. Both times
are stored, so a restart changes nothing. After a long downtime, data is deleted late.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from bot.database.engine import Repository, reads, writes
from bot.database.key_values import lock_value, write_value
from bot.database.row_locks import lock_requests, lock_rows
from bot.database.rows import nothing_pending, select_runs, to_run
from bot.database.tables import (
    UtcDateTime,
    audit,
    blocks,
    channel_defaults,
    messages,
    presets,
    requests,
    runs,
    server_rules,
    usage,
)
from bot.domain.moderation import AuditAction, AuditEntry, StoredEntry
from bot.domain.policy import budget_day
from bot.domain.requests import Holder
from bot.domain.runs import Erased, Run
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import ledger
from bot.store.audit import add_entries, to_entry
from bot.store.presets import made_by

_CHUNK_SIZE = 200
# Columns with a user's inputs and outputs; the others only show that there was a run.
_ERASED: Mapping[str, object] = {
    "inputs": {},
    "seed": None,
    "outputs": [],
    "verdicts": None,
    "held_until": None,
    "live_status": None,
    "failure_log": None,
}
_ERASED_OF_REQUEST: Mapping[str, object] = {
    "prompt": None,
    "requester_roles": None,
    "requester_joined_at": None,
    "interaction_token": None,
    "press": None,
}


# What a user typed, among the details of audit entries about their own actions.
_TEXTS = ("prompt", "note")
_has_text = or_(*(audit.c.details[name].as_string().is_not(None) for name in _TEXTS))
_PERSON = bindparam("person", type_=BigInteger())
_of_server = and_(presets.c.holder == Holder.SERVER, presets.c.holder_id == channel_defaults.c.guild_id)
# What the export shows of a person, by kind, apart from runs and audit entries. Moderators aren't named.
_OWN: Mapping[str, Select[Any]] = {
    "block": select(blocks.c.guild_id, blocks.c.reason, blocks.c.until, blocks.c.created_at)
    .where(blocks.c.user_id == _PERSON)
    .order_by(blocks.c.guild_id),
    "preset": select(
        case((presets.c.holder == Holder.SERVER, presets.c.holder_id)).label("guild_id"),
        *(presets.c[name] for name in ("name", "deployment", "inputs", "gpu", "created_at", "is_default")),
    )
    .where(made_by(_PERSON))
    .order_by(presets.c.id),
    "channel default": select(
        *(channel_defaults.c[name] for name in ("guild_id", "channel_id", "set_at")), presets.c.name
    )
    .join(presets, and_(_of_server, presets.c.folded == channel_defaults.c.folded))
    .where(channel_defaults.c.set_by == _PERSON)
    .order_by(channel_defaults.c.channel_id),
    "usage": select(
        usage.c.day,
        func.nullif(usage.c.guild_id, 0).label("guild_id"),
        *(usage.c[name] for name in ("runs", "failures", "seconds", "weighted_seconds")),
    )
    .where(usage.c.person_id == _PERSON)
    .order_by(usage.c.day, usage.c.guild_id),
}


class PrivacyStore(Repository):
    """Exports and erases personal data, in chunks, so that no other process waits for long."""

    async def audit_of(
        self, user_id: int, chunk_size: int = _CHUNK_SIZE
    ) -> AsyncIterator[Sequence[StoredEntry]]:
        """Yield every audit entry about a person or by them, oldest first."""
        mine = or_(audit.c.subject_id == user_id, audit.c.actor_id == user_id)
        entries = select(audit).where(mine).order_by(audit.c.id).limit(chunk_size)

        def after(connection: Connection, last: int) -> Sequence[RowMapping]:
            return connection.execute(entries.where(audit.c.id > last)).mappings().all()

        found = await self._database.read(after, 0)
        while found:
            yield [to_entry(row) for row in found]
            found = await self._database.read(after, found[-1]["id"])

    @reads
    def rows_of(self, connection: Connection, user_id: int) -> Sequence[Mapping[str, object]]:
        """Return a person's blocks, presets, channel defaults and usage, each with its kind."""
        return [
            {"kind": kind, **row}
            for kind, query in _OWN.items()
            for row in connection.execute(query, {"person": user_id}).mappings()
        ]

    async def erase(self, user_id: int, now: datetime, chunk_size: int = _CHUNK_SIZE) -> Erased:
        """Erase the inputs and outputs of a user's runs.

        A batch that is active or has a pending message stays as it is, and its first run is returned. The
        user's presets are deleted, and the prompts and notes that they typed are removed from the audit log.
        What they made for a server or channel stays, without their id. What they used today stays, too,
        because it counts until midnight.
        """
        changed = Counter[str]()
        while some := await self._database.write(erase_chunk, user_id, now, chunk_size):
            changed += some
        if changed:
            entry = AuditEntry(
                at=now,
                guild_id=None,
                action=AuditAction.PRIVACY,
                actor_id=user_id,
                subject_id=user_id,
                details={"requests": changed["requests"]},
            )
            await self._database.write(add_entries, entry)
        return Erased(changed["requests"], await self._unsettled(user_id), changed["presets"])

    @reads
    def _unsettled(self, connection: Connection, user_id: int) -> Sequence[Run]:
        mine = (requests.c.requester_id == user_id) & (runs.c.index == 0)
        query = select_runs().where(mine, ~nothing_pending())
        return [to_run(row) for row in connection.execute(query.order_by(requests.c.created_at.desc()))]


def erase_chunk(connection: Connection, user_id: int, now: datetime, chunk_size: int) -> Counter[str]:
    """Erase a chunk of requests and of audit entries, and everything else, and return how many rows."""
    erased, skipped = _empty_requests(connection, user_id, now, chunk_size)
    return +Counter(
        requests=erased,
        skipped=skipped,
        texts=_erase_texts(connection, user_id, chunk_size),
        presets=_delete_presets(connection, user_id),
        defaults=_forget_setter(connection, user_id),
        days=ledger.erase(connection, user_id, budget_day(now)),
    )


def _empty_requests(connection: Connection, user_id: int, now: datetime, chunk_size: int) -> tuple[int, int]:
    """Erase a chunk of a user's requests, and return how many were erased and skipped."""
    left = exists().where(runs.c.request_key == requests.c.key, runs.c.erased_at.is_(None))
    found = connection.execute(
        select(requests.c.key)
        .where(requests.c.requester_id == user_id, left, nothing_pending())
        .order_by(requests.c.key)
        .limit(chunk_size)
        .with_for_update()
    )
    locked = found.scalars().all()
    # Check again, because a message may have become pending while this waited for the locks.
    still = select(requests.c.key).where(requests.c.key.in_(locked), nothing_pending())
    keys = connection.execute(still).scalars().all()
    connection.execute(update(requests).where(requests.c.key.in_(keys)).values(_ERASED_OF_REQUEST))
    erased = update(runs).where(runs.c.request_key.in_(keys))
    connection.execute(erased.values({**_ERASED, "erased_at": now}))
    # `/runs` offers the results no longer. What was posted stays, and Delete finds it.
    connection.execute(update(messages).where(messages.c.request_key.in_(keys)).values(offered=False))
    return len(keys), len(locked) - len(keys)


def _erase_texts(connection: Connection, user_id: int, chunk_size: int) -> int:
    """Remove a chunk of what a user typed from the audit log; return how many entries had such texts."""
    own = select(audit.c.id, audit.c.details).where(audit.c.actor_id == user_id, _has_text)
    found = connection.execute(own.order_by(audit.c.id).limit(chunk_size).with_for_update()).all()
    for row in found:
        details = {name: value for name, value in row.details.items() if name not in _TEXTS}
        connection.execute(update(audit).where(audit.c.id == row.id).values(details=details))
    return len(found)


def _delete_presets(connection: Connection, user_id: int) -> int:
    """Delete a user's own presets, and remove their id from those that they made for a server."""
    own = (presets.c.holder == Holder.PERSON) & (presets.c.holder_id == user_id)
    here = presets.c.id.in_(lock_rows(connection, presets.c.id, or_(own, presets.c.created_by == user_id)))
    deleted = connection.execute(delete(presets).where(here, own))
    connection.execute(update(presets).where(here).values(created_by=None))
    return deleted.rowcount


def _forget_setter(connection: Connection, user_id: int) -> int:
    mine = channel_defaults.c.set_by == user_id
    here = channel_defaults.c.channel_id.in_(lock_rows(connection, channel_defaults.c.channel_id, mine))
    return connection.execute(update(channel_defaults).where(here).values(set_by=None)).rowcount


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


class ExpiredRows(NamedTuple):
    """Requests and audit entries past their server's retention period."""

    request_keys: Sequence[str]
    entry_ids: Sequence[int]


class RetentionStore(Repository):
    @writes
    def claim(self, connection: Connection, clock: datetime, limit: int = _CHUNK_SIZE) -> ExpiredRows | None:
        """Return what has expired, with up to `limit` requests and as many audit entries, or None.

        A request stays while it runs and while one of its messages is pending. Old days of the ledger are
        removed at once.
        """
        now = _retention_time(connection, clock)
        ledger.remove_old(connection, now)
        keys = _find(connection, _EXPIRED_REQUESTS, now, limit)
        ids = _find(connection, _EXPIRED_ENTRIES, now, limit)
        return ExpiredRows(keys, ids) if keys or ids else None

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
        log.info("removed %s expired requests and audit entries", removed)


def _retention_time(connection: Connection, clock: datetime) -> datetime:
    """Store and return retention's time for this claim, which follows the clock."""
    time, stored = clock, lock_value(connection, _TIME_KEY)
    if stored is not None:
        last_time, last_clock = map(datetime.fromisoformat, stored.split())
        elapsed = max(clock - last_clock, timedelta())
        time = min(clock, last_time + min(2 * elapsed, _MAX_STEP))
        if time < clock and elapsed > _MAX_STEP:
            log.warning(
                "retention follows slowly: the clock has advanced by %s since the last claim", elapsed
            )
    write_value(connection, _TIME_KEY, f"{time.isoformat()} {clock.isoformat()}")
    return time


def _find(connection: Connection, statements: _Statements, now: datetime, limit: int) -> list[Any]:
    """Return up to `limit` keys of rows that are older than the period of their server."""
    by_period, without_rules = statements
    periods = [(by_period, days) for days in connection.execute(_PERIODS).scalars()]
    found: list[Any] = []
    for statement, days in (*periods, (without_rules, ServerRules().retention_days)):
        values = {"before": now - timedelta(days=days), "days": days, "limit": limit - len(found)}
        found += connection.execute(statement, values).scalars()
    return found
