"""The locks that keep two processes from connecting the same shard to Discord."""

from __future__ import annotations

from bot.config.roles import Role
from bot.config.settings import Settings
from bot.database.coordination import Coordinator, LockHeld, acquire
from bot.domain.errors import StartupError

# A clean shutdown takes up to this long, and a supervisor may start the next process before the old one ends.
_WAIT_SECONDS = 10.0


async def acquire_role_locks(coordinator: Coordinator, settings: Settings) -> None:
    """Acquire a lock for each shard of this process, waiting for an earlier process to release it.

    Raises StartupError if another process still holds a lock after `_WAIT_SECONDS`.
    """
    for name in _role_locks(settings):
        try:
            await acquire(coordinator, name, _WAIT_SECONDS)
        except LockHeld:
            raise StartupError(lock_held_error(name)) from None


def lock_held_error(name: str) -> str:
    """Return an error message that names a lock held by another process, and says what to do."""
    return (
        f"Another process over this database has {name} connected to Discord. Stop one of the two, "
        "or give each its own shards with SHARD_COUNT and SHARD_IDS, on PostgreSQL."
    )


def _role_locks(settings: Settings) -> list[str]:
    """Return the names of this process's locks: one per shard that it connects to Discord."""
    if Role.GATEWAY not in settings.roles:
        return []
    # Without sharding Discord counts the single connection as shard 0 of 1.
    return [f"shard {number}" for number in (settings.shards.ids if settings.shards is not None else (0,))]
