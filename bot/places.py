"""What only one process at a time may do: a shard's connection and, on SQLite, the courier's work."""

from __future__ import annotations

from bot.config.roles import ALL_ROLES, Role
from bot.config.settings import Settings
from bot.database.coordination import AlreadyHeld, Line, hold
from bot.domain.errors import StartupError

_COURIER = "courier"


async def take_places(line: Line, settings: Settings) -> None:
    """Raises StartupError when another process has one of them."""
    for name in _places(settings):
        try:
            await hold(line, name)
        except AlreadyHeld:
            raise StartupError(taken(name)) from None


def taken(name: str) -> str:
    """What is wrong and what to do, in a sentence."""
    if name == _COURIER:
        return "Another process is the courier, and with SQLite there can be only one. Stop one of the two."
    return (
        f"Another process over this database has {name} connected to Discord. Stop one of the two, "
        "or give each its own shards with SHARD_COUNT and SHARD_IDS."
    )


def _places(settings: Settings) -> list[str]:
    places = []
    if Role.GATEWAY in settings.roles:
        shards = settings.shards
        # Without sharding there is one connection, which is what Discord calls shard 0 of 1.
        places += [f"shard {number}" for number in (shards.ids if shards is not None else (0,))]
    on_sqlite = settings.database_url.get_secret_value().startswith("sqlite")
    if on_sqlite and Role.COURIER in settings.roles and settings.roles != ALL_ROLES:
        places.append(_COURIER)
    return places
