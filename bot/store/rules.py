"""Store each server's rules and the pause that the bot's owner sets for all servers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select

from bot.database.engine import Database, Repository, reads, writes
from bot.database.key_values import lock_value, write_value
from bot.database.row_locks import lock
from bot.database.tables import key_values, server_rules
from bot.domain.errors import RefusedForNow
from bot.domain.moderation import AuditAction, AuditEntry
from bot.domain.settings.fields import Change, describe_changes
from bot.domain.settings.rules_and_defaults import ServerRules, parse_stored_rules
from bot.domain.settings.setting_types import SettingsContext
from bot.domain.text import escape_line
from bot.store.audit import add_entries
from bot.store.queue import PAUSED, ask_again, hold_queues, release_queues

log = logging.getLogger(__name__)
_RULES = select(server_rules.c.rules).where(server_rules.c.guild_id == bindparam("of"))


def read_rules(connection: Connection, guild_id: int | None) -> ServerRules:
    """Return a server's rules, or the defaults.

    Raises RefusedForNow if any part can't be read, so that no request evades an unreadable rule.
    """
    rules, lost = _readable(connection, guild_id)
    if lost:
        raise RefusedForNow("rules_unreadable")
    return rules


class RuleStore(Repository):
    """Reads and changes rules.

    `known` has the rules by which requests were last checked, by server. They may be outdated, so they only
    decide what is shown before a check reads the row, and whether a post pings.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.known = dict[int | None, ServerRules]()

    @reads
    def get(self, connection: Connection, guild_id: int | None) -> ServerRules:
        """Return a server's rules, with defaults for values that are unset or unreadable."""
        return _readable(connection, guild_id)[0]

    @reads
    def read(self, connection: Connection, guild_id: int) -> tuple[ServerRules, tuple[str, ...]]:
        """Return the rules, and the paths of the unreadable values, which defaults replace."""
        return _readable(connection, guild_id)

    @writes
    def change(
        self,
        connection: Connection,
        guild_id: int,
        actor_id: int,
        edit: Callable[[ServerRules], ServerRules],
        now: datetime,
        context: SettingsContext,
    ) -> Sequence[Change]:
        """Apply `edit` to the stored rules, write the audit entry, and return the changes as texts.

        Nothing is written if `edit` raises an exception, or changes nothing of rules that are all readable.
        """
        lock(connection, f"rules {guild_id}")
        before, lost = _readable(connection, guild_id)
        after = edit(before)
        changes = describe_changes(before, after, context)
        changes += [("Unreadable settings", escape_line(path, 60), "the default") for path in lost]
        if not changes:
            return changes
        connection.execute(delete(server_rules).where(server_rules.c.guild_id == guild_id))
        values = {
            "guild_id": guild_id,
            "rules": after.model_dump(mode="json"),
            "retention_days": after.retention_days,
        }
        connection.execute(insert(server_rules).values(values))
        entry = AuditEntry(
            at=now,
            guild_id=guild_id,
            action=AuditAction.SETTINGS,
            actor_id=actor_id,
            details={"changes": [list(change) for change in changes]},
        )
        add_entries(connection, entry)
        ask_again(connection, guild_id, now)
        return changes


def _readable(connection: Connection, guild_id: int | None) -> tuple[ServerRules, tuple[str, ...]]:
    stored = None if guild_id is None else connection.scalar(_RULES, {"of": guild_id})
    rules, lost = parse_stored_rules(stored)
    if lost:
        log.error("can't read these rules of server %s: %s", guild_id, ", ".join(lost))
    return rules, lost


PAUSE_KEY = "pause"


class PauseStore(Repository):
    @writes
    def pause(self, connection: Connection, reason: str, *, by: int, now: datetime) -> None:
        """Pause the bot. It refuses new requests and starts no runs. A second pause changes the reason."""
        lock_value(connection, PAUSE_KEY)
        write_value(connection, PAUSE_KEY, reason)
        add_entries(connection, _entry(AuditAction.PAUSE, by, now, reason))
        release_queues(connection)  # from an earlier pause, which may have had another reason
        hold_queues(connection, PAUSED, {"reason": reason})

    @writes
    def resume(self, connection: Connection, *, by: int, now: datetime) -> bool:
        """End the pause, so that waiting runs start; return False if there is no pause."""
        reason = lock_value(connection, PAUSE_KEY)
        if reason is None:
            return False
        connection.execute(delete(key_values).where(key_values.c.name == PAUSE_KEY))
        add_entries(connection, _entry(AuditAction.RESUME, by, now, reason))
        release_queues(connection)
        return True


def _entry(action: AuditAction, by: int, now: datetime, reason: str) -> AuditEntry:
    return AuditEntry(at=now, guild_id=None, action=action, actor_id=by, details={"reason": reason})
