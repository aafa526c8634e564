"""Store each server's rules and the pause that the bot's owner sets for all servers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.commits import repeat_if_unknown
from bot.database.engine import Database
from bot.database.tables import key_values, runs, server_rules
from bot.database.write_queue import GroupCommit
from bot.domain.errors import RefusedForNow
from bot.domain.moderation.audit import AuditAction, AuditEntry
from bot.domain.settings.rules_and_defaults import ServerRules, diff_rules, parse_stored_rules
from bot.store.audit import add_entries, is_recorded
from bot.store.postponed import PAUSED, ask_again

log = logging.getLogger(__name__)


async def read_rules(connection: AsyncConnection, guild_id: int | None) -> ServerRules:
    """Return a server's rules, read in the caller's transaction.

    Returns the defaults if the server has set none, or if `guild_id` is None.
    Raises RefusedForNow if any part can't be read, so that no request evades an unreadable rule.
    """
    if guild_id is None:
        return ServerRules()
    return validated(await _stored(connection, guild_id), guild_id)


def validated(stored: object | None, guild_id: int | None) -> ServerRules:
    """Return rules as stored, or the defaults if there are none. Raises RefusedForNow."""
    if stored is None:
        return ServerRules()
    try:
        return ServerRules.model_validate(stored)
    except ValidationError as error:
        log.exception("can't read the rules of server %s", guild_id)
        raise RefusedForNow("rules_unreadable") from error


class RuleStore:
    """Reads and changes rules. Every method raises StoreUnavailable if the database doesn't answer.

    Nothing is cached, so every process sees a change at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = GroupCommit(self._current, timeout=database.lock_seconds, limit=200)

    async def get(self, guild_id: int | None) -> ServerRules:
        """Return a server's rules, with defaults for values that are unset or unreadable.

        Outside servers, all rules have their defaults.
        """
        return (await self.read(guild_id))[0] if guild_id is not None else ServerRules()

    async def read(self, guild_id: int) -> tuple[ServerRules, tuple[str, ...]]:
        """Return the rules, and the paths of the unreadable values, which defaults replace."""
        async with self._database.read() as connection:
            return await _readable(connection, guild_id)

    async def of_all_servers(self) -> Mapping[int, ServerRules]:
        """Return the rules of each server that has set any, with defaults for what can't be read."""
        async with self._database.read() as connection:
            found = await connection.execute(select(server_rules.c.guild_id, server_rules.c.rules))
            return {row.guild_id: parse_stored_rules(row.rules)[0] for row in found}

    @repeat_if_unknown
    async def change(
        self,
        guild_id: int,
        actor_id: int,
        edit: Callable[[ServerRules], ServerRules],
        now: datetime,
        what: str,
        *,
        may_be_stored: bool = False,
    ) -> ServerRules:
        """Apply `edit` to the stored rules, write the audit entry, and return the new rules.

        `what` names the control of `/settings` in the audit entry. Nothing is written if `edit` raises an
        exception, or if it changes nothing and all stored rules are readable.
        """
        async with self._database.exclusive(f"rules {guild_id}") as connection:
            before, lost = await _readable(connection, guild_id)
            if may_be_stored and await is_recorded(connection, guild_id, AuditAction.SETTINGS, actor_id, now):
                return before
            after = edit(before)
            if after == before and not lost:
                return after
            await _write(connection, guild_id, actor_id, after, now)
            details: dict[str, object] = {"what": what, "changes": diff_rules(before, after)}
            if lost:
                details["unreadable"] = list(lost)
            entry = AuditEntry(
                at=now, guild_id=guild_id, action=AuditAction.SETTINGS, actor_id=actor_id, details=details
            )
            await add_entries(connection, entry)
            await ask_again(connection, runs.c.guild_id == guild_id, now)
            return after

    async def current(self, guild_id: int | None) -> ServerRules:
        """Return the rules as they are now. Raises RefusedForNow, unlike `get`, if any part can't be read.

        Concurrent callers share a read that begins after their call.
        """
        return await self._reading.submit(guild_id)

    async def _current(self, guild_ids: Sequence[int | None]) -> Sequence[ServerRules | Exception]:
        async with self._database.read() as connection:
            found = {guild_id: await read_rules(connection, guild_id) for guild_id in set(guild_ids)}
        return [found[guild_id] for guild_id in guild_ids]


async def _stored(connection: AsyncConnection, guild_id: int) -> object | None:
    found: object | None = await connection.scalar(
        select(server_rules.c.rules).where(server_rules.c.guild_id == guild_id)
    )
    return found


async def _readable(connection: AsyncConnection, guild_id: int) -> tuple[ServerRules, tuple[str, ...]]:
    stored = await _stored(connection, guild_id)
    if stored is None:
        return ServerRules(), ()
    rules, lost = parse_stored_rules(stored)
    if lost:
        log.error("can't read these rules of server %s: %s", guild_id, ", ".join(lost))
    return rules, lost


async def _write(
    connection: AsyncConnection, guild_id: int, actor_id: int, rules: ServerRules, now: datetime
) -> None:
    values = {"rules": rules.model_dump(mode="json"), "updated_at": now, "updated_by": actor_id}
    result = await connection.execute(
        update(server_rules).where(server_rules.c.guild_id == guild_id).values(values)
    )
    if not result.rowcount:
        await connection.execute(insert(server_rules).values(guild_id=guild_id, **values))


PAUSE_KEY = "pause"


class PauseStore:
    """The owner's pause. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @repeat_if_unknown
    async def pause(self, reason: str, *, by: int, now: datetime, may_be_stored: bool = False) -> None:
        """Pause the bot. It refuses new requests and starts no runs. A second pause changes the reason."""
        async with self._database.exclusive(f"key value {PAUSE_KEY}") as connection:
            if may_be_stored and await is_recorded(connection, None, AuditAction.PAUSE, by, now):
                return
            await connection.execute(delete(key_values).where(key_values.c.name == PAUSE_KEY))
            await connection.execute(insert(key_values).values(name=PAUSE_KEY, value=reason, updated_at=now))
            await add_entries(connection, _entry(AuditAction.PAUSE, by, now, reason))
            # Runs that waited for the end of an earlier pause show the new reason.
            await ask_again(connection, runs.c.waiting_code == PAUSED, now)

    @repeat_if_unknown
    async def resume(self, *, by: int, now: datetime, may_be_stored: bool = False) -> bool:
        """End the pause and let the runs that it held back start; return False if there is no pause."""
        async with self._database.exclusive(f"key value {PAUSE_KEY}") as connection:
            # A submitter that still sees the pause postpones its runs before this transaction reads them.
            await self._database.lock(connection, "submit")
            if may_be_stored and await is_recorded(connection, None, AuditAction.RESUME, by, now):
                return True
            lifted = await connection.execute(
                delete(key_values).where(key_values.c.name == PAUSE_KEY).returning(key_values.c.value)
            )
            reason = lifted.scalar()
            if reason is None:
                return False
            await add_entries(connection, _entry(AuditAction.RESUME, by, now, reason))
            await ask_again(connection, runs.c.waiting_code == PAUSED, now)
            return True


def _entry(action: AuditAction, by: int, now: datetime, reason: str) -> AuditEntry:
    return AuditEntry(at=now, guild_id=None, action=action, actor_id=by, details={"reason": reason})
