"""Presets of users and servers, and the default presets of channels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from bot.database.engine import Repository, reads, writes
from bot.database.row_locks import lock, lock_rows
from bot.database.tables import channel_defaults, presets
from bot.domain.errors import RefusedError
from bot.domain.moderation import AuditAction, AuditEntry
from bot.domain.requests import NAME_LENGTH, ChannelDefault, Holder, Preset, folded
from bot.domain.text import escape_line
from bot.store.audit import add_entries

MAX_PRESETS = {Holder.PERSON: 25, Holder.SERVER: 100}
_COLUMNS = tuple(presets.c[name] for name in Preset.__slots__)
_OF_DEFAULT = (channel_defaults.c.channel_id, channel_defaults.c.set_at, channel_defaults.c.set_by)


class PresetStore(Repository):
    """The presets. Changes to a server's presets write audit entries.

    Every method raises StoreUnavailable if the database doesn't answer.
    """

    @writes
    def put(
        self, connection: Connection, preset: Preset, now: datetime, *, replaces: Preset | None = None
    ) -> Preset | None:
        """Save a preset, unless its owner has a preset with this name that differs from `replaces`.

        Return that earlier preset, or None if the new preset is saved. Raises RefusedError if `replaces` is
        gone, or if the owner already has MAX_PRESETS other presets. A replaced default remains the default.
        """
        one = _one(preset.holder, preset.holder_id, preset.name)
        lock(connection, f"preset {preset.holder} {preset.holder_id}")
        row = (connection.execute(select(*_COLUMNS).where(one))).first()
        earlier = _preset(row) if row is not None else None
        if earlier is not None and earlier.deployment == preset.deployment:
            preset = replace(preset, is_default=earlier.is_default)
        if earlier is not None and earlier != replaces:
            return None if earlier == preset else earlier
        if earlier is None and replaces is not None:
            raise RefusedError("preset_replaced_gone")
        connection.execute(delete(presets).where(one))
        held = connection.scalar(
            select(func.count()).select_from(presets).where(_held_by(preset.holder, preset.holder_id))
        )
        if (held or 0) >= (limit := MAX_PRESETS[preset.holder]):
            server = preset.holder is Holder.SERVER
            raise RefusedError("presets_full_server" if server else "presets_full_own", limit=limit)
        values = {name: getattr(preset, name) for name in Preset.__slots__}
        values |= {"inputs": dict(preset.inputs), "folded": folded(preset.name)}
        connection.execute(insert(presets).values(values))
        if preset.holder is Holder.SERVER:
            states = ("none", "saved") if earlier is None else ("saved", "replaced")
            change = (f"Preset {_shown(preset)}", *states)
            _add_entry(
                connection, preset.holder_id, preset.created_by, now, change, deployment=preset.deployment
            )
        return None

    @writes
    def remove(
        self, connection: Connection, holder: Holder, holder_id: int, name: str, *, by: int, now: datetime
    ) -> bool:
        """Delete a preset and any channel defaults that use it; return False if no preset has that name."""
        which = _one(holder, holder_id, name)
        found = connection.execute(delete(presets).where(which).returning(*_COLUMNS))
        row = found.first()
        if row is None:
            return False
        preset = _preset(row)
        if holder is Holder.SERVER:
            ids = lock_rows(connection, channel_defaults.c.channel_id, _defaults_of(preset))
            connection.execute(
                delete(channel_defaults).where(channel_defaults.c.channel_id.in_(ids), _defaults_of(preset))
            )
            change = (f"Preset {_shown(preset)}", "saved", "deleted")
            _add_entry(connection, holder_id, by, now, change, deployment=preset.deployment)
        return True

    @writes
    def set_default(
        self, connection: Connection, guild_id: int, channel_id: int, name: str, *, by: int, now: datetime
    ) -> bool:
        """Make a server's preset the default of a channel; return False if there is no such preset."""
        lock(connection, f"preset {Holder.SERVER} {guild_id}")
        # Locked, so that a concurrent deletion of the preset also removes this default.
        wanted = select(*_COLUMNS).where(_one(Holder.SERVER, guild_id, name)).with_for_update()
        row = connection.execute(wanted).first()
        if row is None:
            return False
        preset = _preset(row)
        here = channel_defaults.c.channel_id == channel_id
        same = select(channel_defaults.c.channel_id).where(here, _defaults_of(preset))
        if connection.scalar(same) is not None:
            return True
        before = _current_default(connection, guild_id, channel_id)
        connection.execute(delete(channel_defaults).where(here))
        values = {"channel_id": channel_id, "guild_id": guild_id, "folded": folded(name)}
        connection.execute(insert(channel_defaults).values(**values, set_at=now, set_by=by))
        change = ("Default preset", _shown(before), _shown(preset))
        more = {"deployment": preset.deployment, "details": {"channel": f"<#{channel_id}>"}}
        _add_entry(connection, guild_id, by, now, change, **more)
        return True

    @writes
    def clear_default(
        self, connection: Connection, guild_id: int, channel_id: int, *, by: int, now: datetime
    ) -> bool:
        """Remove the default of a channel; return False if it has none."""
        here = (channel_defaults.c.channel_id == channel_id) & (channel_defaults.c.guild_id == guild_id)
        before = _current_default(connection, guild_id, channel_id)
        removed = connection.execute(delete(channel_defaults).where(here))
        if not removed.rowcount:
            return False
        change = ("Default preset", _shown(before), "none")
        _add_entry(connection, guild_id, by, now, change, details={"channel": f"<#{channel_id}>"})
        return True

    @writes
    def set_own_default(self, connection: Connection, user_id: int, name: str | None) -> Preset | None:
        """Make a user's own preset their only default for its deployment. Without a name, remove them all.

        Return the preset, or None if there is none with this name or nothing was removed.
        """
        lock(connection, f"preset {Holder.PERSON} {user_id}")
        own = _held_by(Holder.PERSON, user_id)
        query = select(*_COLUMNS).where(own, presets.c.is_default if name is None else _named(name))
        row = connection.execute(query).first()
        if row is None:
            return None
        before = own if name is None else own & (presets.c.deployment == row.deployment)
        connection.execute(update(presets).where(before, presets.c.is_default).values(is_default=False))
        if name is not None:
            connection.execute(update(presets).where(own, _named(name)).values(is_default=True))
        return replace(_preset(row), is_default=name is not None)

    @reads
    def defaults(
        self, connection: Connection, user_id: int, guild_id: int | None, channel_ids: Collection[int]
    ) -> tuple[Sequence[Preset], ChannelDefault | None]:
        """Return a user's own default presets, and that of one of these channels, or None."""
        found = [_preset(row) for row in connection.execute(_OWN_DEFAULTS, {"person": user_id})]
        if guild_id is None:
            return found, None
        row = connection.execute(_DEFAULTS_HERE, {"guild": guild_id, "channels": [*channel_ids]}).first()
        return found, _default(row) if row is not None else None

    @reads
    def channel_defaults(self, connection: Connection, guild_id: int) -> Sequence[ChannelDefault]:
        """Return a server's default presets in the order of their channels' ids."""
        query = _defaults(guild_id).order_by(channel_defaults.c.channel_id)
        return [_default(row) for row in connection.execute(query)]

    async def named(self, user_id: int, guild_id: int | None, name: str) -> Sequence[Preset]:
        """Return the presets with this name: the user's own first, then the server's."""
        return await self._read(user_id, guild_id, _named(name))

    async def visible(self, user_id: int, guild_id: int | None) -> Sequence[Preset]:
        """Return the user's own presets, then the server's, each sorted by name."""
        return await self._read(user_id, guild_id)

    @reads
    def _read(
        self, connection: Connection, user_id: int, guild_id: int | None, *more: ColumnElement[bool]
    ) -> Sequence[Preset]:
        whose = _held_by(Holder.PERSON, user_id)
        if guild_id is not None:
            whose = or_(whose, _held_by(Holder.SERVER, guild_id))
        own_first = case((presets.c.holder == Holder.PERSON, 0), else_=1)
        found = connection.execute(
            select(*_COLUMNS).where(whose, *more).order_by(own_first, presets.c.folded)
        )
        return [_preset(row) for row in found]


def made_by(user_id: Any) -> ColumnElement[bool]:
    """Match a user's own presets, and the presets that they made for servers."""
    return or_(_held_by(Holder.PERSON, user_id), presets.c.created_by == user_id)


def _held_by(holder: Holder, holder_id: int | BindParameter[int]) -> ColumnElement[bool]:
    return (presets.c.holder == holder) & (presets.c.holder_id == holder_id)


def _named(name: str) -> ColumnElement[bool]:
    return presets.c.folded == folded(name)


def _one(holder: Holder, holder_id: int, name: str) -> ColumnElement[bool]:
    return _held_by(holder, holder_id) & _named(name)


def _defaults_of(preset: Preset) -> ColumnElement[bool]:
    table = channel_defaults.c
    return (table.guild_id == preset.holder_id) & (table.folded == folded(preset.name))


def _defaults(guild_id: int | BindParameter[int]) -> Select[Any]:
    """Select the default presets of a server's channels."""
    joined = presets.join(channel_defaults, channel_defaults.c.folded == presets.c.folded)
    in_server = channel_defaults.c.guild_id == guild_id
    columns = (*_COLUMNS, *_OF_DEFAULT)
    return select(*columns).select_from(joined).where(in_server, _held_by(Holder.SERVER, guild_id))


# Built once, because SQLAlchemy caches a statement's SQL, but not the work of building it.
_OWN_DEFAULTS = (
    select(*_COLUMNS)
    .where(_held_by(Holder.PERSON, bindparam("person")), presets.c.is_default)
    .order_by(presets.c.folded)
)
_DEFAULTS_HERE = _defaults(bindparam("guild")).where(
    channel_defaults.c.channel_id.in_(bindparam("channels", expanding=True))
)


def _default(row: Row[Any]) -> ChannelDefault:
    return ChannelDefault(preset=_preset(row), **{each.name: row._mapping[each] for each in _OF_DEFAULT})


def _current_default(connection: Connection, guild_id: int, channel_id: int) -> Preset | None:
    here = channel_defaults.c.channel_id == channel_id
    row = (connection.execute(_defaults(guild_id).where(here))).first()
    return _default(row).preset if row is not None else None


def _preset(row: Row[Any]) -> Preset:
    values = {each.name: row._mapping[each] for each in _COLUMNS}
    return Preset(**{**values, "holder": Holder(row.holder)})


def _add_entry(
    connection: Connection, guild_id: int, by: int | None, now: datetime, change: Sequence[str], **more: Any
) -> None:
    """Write an audit entry about a change: what was changed, the old and the new value, as texts."""
    details = {"changes": [list(change)], **more.pop("details", {})}
    entry = AuditEntry(
        at=now, guild_id=guild_id, action=AuditAction.SETTINGS, actor_id=by, details=details, **more
    )
    add_entries(connection, entry)


def _shown(preset: Preset | None) -> str:
    return escape_line(preset.name, NAME_LENGTH) if preset is not None else "none"
