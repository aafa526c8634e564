"""Presets of users and servers, and the default presets of channels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.commits import repeat_if_unknown
from bot.database.engine import Database
from bot.database.tables import channel_defaults, presets
from bot.domain.errors import RefusedError
from bot.domain.records import DEFAULT_PRESET, PRESETS, AuditAction, AuditEntry
from bot.domain.requests import Holder, Preset, folded
from bot.store.audit import add_entries

MAX_PRESETS = {Holder.PERSON: 50, Holder.SERVER: 100}
_COLUMNS = tuple(presets.c[name] for name in Preset.__slots__)


class PresetStore:
    """The presets. Changes to a server's presets write audit entries.

    Every method raises StoreUnavailable if the database doesn't answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @repeat_if_unknown
    async def put(self, preset: Preset, now: datetime, *, may_be_stored: bool = False) -> bool:
        """Save a preset, and return whether it replaced one of the same name.

        Raises RefusedError `presets_full_own` or `presets_full_server`.
        """
        one = _one(preset.holder, preset.holder_id, preset.name)
        lock = f"preset {preset.holder} {preset.holder_id}"
        async with self._database.exclusive(lock, urgent=True) as connection:
            same = select(presets.c.id).where(one, presets.c.created_at == preset.created_at)
            if may_be_stored and await connection.scalar(same) is not None:
                return False
            replaced = (await connection.execute(delete(presets).where(one))).rowcount > 0
            held = await connection.scalar(
                select(func.count()).select_from(presets).where(_held_by(preset.holder, preset.holder_id))
            )
            if (held or 0) >= (limit := MAX_PRESETS[preset.holder]):
                server = preset.holder is Holder.SERVER
                raise RefusedError("presets_full_server" if server else "presets_full_own", limit=limit)
            values = {name: getattr(preset, name) for name in Preset.__slots__}
            values |= {"inputs": dict(preset.inputs), "folded": folded(preset.name)}
            await connection.execute(insert(presets).values(values))
            await _add_entry(connection, preset, preset.created_by, {"added": [preset.name]}, now)
            return replaced

    @repeat_if_unknown
    async def remove(
        self,
        holder: Holder,
        holder_id: int,
        name: str,
        *,
        by: int,
        now: datetime,
        may_be_stored: bool = False,
    ) -> bool:
        """Delete a preset and any channel defaults that use it; return False if no preset has that name."""
        async with self._database.write(urgent=True) as connection:
            found = await connection.execute(
                delete(presets).where(_one(holder, holder_id, name)).returning(*_COLUMNS)
            )
            row = found.first()
            if row is None:
                return may_be_stored
            preset = _preset(row)
            if holder is Holder.SERVER:
                await connection.execute(delete(channel_defaults).where(_defaults_of(preset)))
            await _add_entry(connection, preset, by, {"removed": [preset.name]}, now)
            return True

    @repeat_if_unknown
    async def set_default(
        self, guild_id: int, channel_id: int, name: str, *, by: int, now: datetime
    ) -> Preset | None:
        """Make a server's preset the default of a channel; return None if there is no such preset."""
        async with self._database.exclusive(f"preset {Holder.SERVER} {guild_id}", urgent=True) as connection:
            # Locked, so that a concurrent deletion of the preset also removes this default.
            wanted = select(*_COLUMNS).where(_one(Holder.SERVER, guild_id, name)).with_for_update()
            row = (await connection.execute(wanted)).first()
            if row is None:
                return None
            preset = _preset(row)
            here = channel_defaults.c.channel_id == channel_id
            same = select(channel_defaults.c.channel_id).where(here, _defaults_of(preset))
            if await connection.scalar(same) is None:
                before = await _default_name(connection, guild_id, channel_id)
                await connection.execute(delete(channel_defaults).where(here))
                values = {"channel_id": channel_id, "guild_id": guild_id, "folded": folded(name)}
                await connection.execute(insert(channel_defaults).values(values))
                details = _default_change(channel_id, before, preset.name)
                entry = _settings_entry(guild_id, by, now, deployment=preset.deployment, details=details)
                await add_entries(connection, entry)
            return preset

    @repeat_if_unknown
    async def clear_default(
        self, guild_id: int, channel_id: int, *, by: int, now: datetime, may_be_stored: bool = False
    ) -> bool:
        """Remove the default of a channel; return False if it has none."""
        here = (channel_defaults.c.channel_id == channel_id) & (channel_defaults.c.guild_id == guild_id)
        async with self._database.write(urgent=True) as connection:
            before = await _default_name(connection, guild_id, channel_id)
            removed = await connection.execute(delete(channel_defaults).where(here))
            if not removed.rowcount:
                return may_be_stored
            details = _default_change(channel_id, before, None)
            await add_entries(connection, _settings_entry(guild_id, by, now, details=details))
            return True

    async def channel_default(self, guild_id: int | None, channel_ids: Collection[int]) -> Preset | None:
        """Return the default preset of one of these channels, or None."""
        if guild_id is None:
            return None
        here = channel_defaults.c.channel_id.in_(sorted(channel_ids))
        async with self._database.read() as connection:
            row = (await connection.execute(_defaults(guild_id, *_COLUMNS).where(here))).first()
            return _preset(row) if row is not None else None

    async def channel_defaults(self, guild_id: int) -> Mapping[int, str]:
        """Return the names of a server's default presets, keyed by the id of their channel."""
        query = _defaults(guild_id, channel_defaults.c.channel_id, presets.c.name)
        async with self._database.read() as connection:
            found = await connection.execute(query.order_by(channel_defaults.c.channel_id))
            return {row.channel_id: row.name for row in found}

    async def named(self, user_id: int, guild_id: int | None, name: str) -> Sequence[Preset]:
        """Return the presets with this name: the user's own first, then the server's."""
        return await self._read(user_id, guild_id, presets.c.folded == folded(name))

    async def visible(self, user_id: int, guild_id: int | None) -> Sequence[Preset]:
        """Return the user's own presets, then the server's, each sorted by name."""
        return await self._read(user_id, guild_id)

    async def _read(self, user_id: int, guild_id: int | None, *more: ColumnElement[bool]) -> Sequence[Preset]:
        whose = _held_by(Holder.PERSON, user_id)
        if guild_id is not None:
            whose = or_(whose, _held_by(Holder.SERVER, guild_id))
        own_first = case((presets.c.holder == Holder.PERSON, 0), else_=1)
        async with self._database.read() as connection:
            found = await connection.execute(
                select(*_COLUMNS).where(whose, *more).order_by(own_first, presets.c.folded)
            )
            return [_preset(row) for row in found]


def made_by(user_id: int) -> ColumnElement[bool]:
    """Match a user's own presets, and the presets that they made for servers."""
    return or_(_held_by(Holder.PERSON, user_id), presets.c.created_by == user_id)


def _held_by(holder: Holder, holder_id: int) -> ColumnElement[bool]:
    return (presets.c.holder == holder) & (presets.c.holder_id == holder_id)


def _one(holder: Holder, holder_id: int, name: str) -> ColumnElement[bool]:
    return _held_by(holder, holder_id) & (presets.c.folded == folded(name))


def _defaults_of(preset: Preset) -> ColumnElement[bool]:
    table = channel_defaults.c
    return (table.guild_id == preset.holder_id) & (table.folded == folded(preset.name))


def _defaults(guild_id: int, *columns: Any) -> Select[Any]:
    """Select from the default presets of a server's channels."""
    joined = presets.join(channel_defaults, channel_defaults.c.folded == presets.c.folded)
    in_server = channel_defaults.c.guild_id == guild_id
    return select(*columns).select_from(joined).where(in_server, _held_by(Holder.SERVER, guild_id))


async def _default_name(connection: AsyncConnection, guild_id: int, channel_id: int) -> str | None:
    here = channel_defaults.c.channel_id == channel_id
    name: str | None = await connection.scalar(_defaults(guild_id, presets.c.name).where(here))
    return name


def _default_change(channel_id: int, before: str | None, after: str | None) -> Mapping[str, object]:
    """Return the details of an audit entry about a channel's default."""
    return {"channel": str(channel_id), "changes": {DEFAULT_PRESET: {"from": before, "to": after}}}


def _preset(row: Row[Any]) -> Preset:
    values = dict(row._mapping)
    return Preset(**{**values, "holder": Holder(values["holder"])})


async def _add_entry(
    connection: AsyncConnection,
    preset: Preset,
    actor_id: int | None,
    change: Mapping[str, object],
    now: datetime,
) -> None:
    if preset.holder is Holder.SERVER:
        details = {"changes": {PRESETS: change}}
        entry = _settings_entry(
            preset.holder_id, actor_id, now, deployment=preset.deployment, details=details
        )
        await add_entries(connection, entry)


def _settings_entry(guild_id: int, actor_id: int | None, now: datetime, **more: Any) -> AuditEntry:
    return AuditEntry(at=now, guild_id=guild_id, action=AuditAction.SETTINGS, actor_id=actor_id, **more)
