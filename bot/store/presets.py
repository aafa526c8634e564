"""Presets of users and servers, and the default presets of channels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
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
from bot.domain.requests import NAME_LENGTH, Holder, Preset
from bot.domain.text import escape_line, folded
from bot.store.audit import add_entries

MAX_PRESETS = {Holder.PERSON: 25, Holder.SERVER: 100}
_COLUMNS = tuple(presets.c[name] for name in Preset.__slots__)


class Usable(NamedTuple):
    """Presets to use: those with a name, the user's own defaults, and the channel's default, or None.

    `set_by` is the user who set that, or None if they have erased their data.
    """

    named: Sequence[Preset]
    own: Sequence[Preset]
    channel: Preset | None
    set_by: int | None

    @property
    def defaults(self) -> list[Preset]:
        """Return the presets that apply to requests that name none, of which the first take precedence."""
        return [*self.own, *filter(None, [self.channel])]


class PresetStore(Repository):
    @writes
    def put(
        self, connection: Connection, preset: Preset, now: datetime, *, replaces: bool = False
    ) -> Preset | None:
        """Save a preset and return the owner's earlier one with this name, which stays unless `replaces`.

        Raises RefusedError if the owner already has MAX_PRESETS others. A replaced default remains the
        default.
        """
        held, server = _held_by(preset.holder, preset.holder_id), preset.holder is Holder.SERVER
        lock(connection, f"preset {preset.holder} {preset.holder_id}")
        earlier = _one(connection, held & _named(preset.name))
        if earlier is not None and not replaces:
            return earlier
        if earlier is not None and earlier.deployment == preset.deployment:
            preset = replace(preset, is_default=earlier.is_default)
        connection.execute(delete(presets).where(held, _named(preset.name)))
        others = connection.scalar(select(func.count()).select_from(presets).where(held)) or 0
        if others >= (limit := MAX_PRESETS[preset.holder]):
            raise RefusedError("presets_full_server" if server else "presets_full_own", limit=limit)
        values = {name: getattr(preset, name) for name in Preset.__slots__}
        values |= {"inputs": dict(preset.inputs), "folded": folded(preset.name)}
        connection.execute(insert(presets).values(values))
        if server:
            states = ("none", "saved") if earlier is None else ("saved", "replaced")
            change = (f"Preset {_shown(preset.name)}", *states)
            more = {"guild_id": preset.holder_id, "actor_id": preset.created_by, "at": now}
            _add_entry(connection, change, **more, deployment=preset.deployment)
        return earlier

    @writes
    def remove(
        self, connection: Connection, holder: Holder, holder_id: int, name: str, *, by: int, now: datetime
    ) -> bool:
        """Delete a preset and the channel defaults that use it; return False if no preset has that name."""
        # Neither a replacement nor a default of this preset may be stored meanwhile.
        lock(connection, f"preset {holder} {holder_id}")
        removing = delete(presets).where(_held_by(holder, holder_id), _named(name)).returning(*_COLUMNS)
        row = connection.execute(removing).first()
        if row is None:
            return False
        if holder is Holder.SERVER:
            preset, table = _preset(row), channel_defaults.c
            uses = (table.guild_id == holder_id) & (table.folded == folded(preset.name))
            ids = lock_rows(connection, table.channel_id, uses)
            connection.execute(delete(channel_defaults).where(table.channel_id.in_(ids), uses))
            change = (f"Preset {_shown(preset.name)}", "saved", "deleted")
            more = {"guild_id": holder_id, "actor_id": by, "at": now}
            _add_entry(connection, change, **more, deployment=preset.deployment)
        return True

    @writes
    def set_default(
        self,
        connection: Connection,
        guild_id: int,
        channel_id: int,
        name: str | None,
        *,
        by: int,
        now: datetime,
    ) -> bool:
        """Make a server's preset the only default of a channel, or remove the default without a name.

        Return False if there is no such preset, or no default to remove.
        """
        lock(connection, f"preset {Holder.SERVER} {guild_id}")
        wanted = _held_by(Holder.SERVER, guild_id) & _named(name or "")
        preset = _one(connection, wanted) if name is not None else None
        here = channel_defaults.c.channel_id == channel_id
        row = connection.execute(_defaults_of(guild_id).where(here)).first()
        before = row.name if row is not None else None
        if preset is None and (name is not None or before is None):
            return False
        if preset is not None and before is not None and folded(before) == folded(preset.name):
            return True
        connection.execute(delete(channel_defaults).where(here, channel_defaults.c.guild_id == guild_id))
        if preset is not None:
            values = {"channel_id": channel_id, "guild_id": guild_id, "folded": folded(preset.name)}
            connection.execute(insert(channel_defaults).values(**values, set_at=now, set_by=by))
        change = ("Default preset", _shown(before), _shown(preset.name if preset is not None else None))
        more = {"guild_id": guild_id, "actor_id": by, "at": now}
        where, deployment = {"channel": f"<#{channel_id}>"}, preset.deployment if preset is not None else None
        _add_entry(connection, change, **more, details=where, deployment=deployment)
        return True

    @writes
    def set_own_default(self, connection: Connection, user_id: int, name: str | None) -> bool:
        """Make a user's own preset their only default for its deployment. Without a name, remove them all.

        Return False if there is none with this name, or no default to remove.
        """
        lock(connection, f"preset {Holder.PERSON} {user_id}")
        own = _held_by(Holder.PERSON, user_id)
        preset = _one(connection, own & (presets.c.is_default if name is None else _named(name)))
        if preset is None:
            return False
        before = own if name is None else own & (presets.c.deployment == preset.deployment)
        connection.execute(update(presets).where(before, presets.c.is_default).values(is_default=False))
        if name is not None:
            connection.execute(update(presets).where(own, _named(name)).values(is_default=True))
        return True

    @reads
    def channel_defaults(self, connection: Connection, guild_id: int) -> Mapping[int, str]:
        """Return the names of the default presets of a server's channels."""
        query = _defaults_of(guild_id).order_by(channel_defaults.c.channel_id)
        return {row.channel_id: row.name for row in connection.execute(query)}

    @reads
    def visible(self, connection: Connection, user_id: int, guild_id: int | None) -> Sequence[Preset]:
        """Return the user's own presets, then the server's, each sorted by name."""
        whose = or_(_held_by(Holder.PERSON, user_id), _held_by(Holder.SERVER, guild_id or 0))
        query = select(*_COLUMNS).where(whose).order_by(_OWN_FIRST, presets.c.folded)
        return [_preset(row) for row in connection.execute(query)]


def made_by(user_id: Any) -> ColumnElement[bool]:
    """Match a user's own presets, and those that they made for servers."""
    return or_(_held_by(Holder.PERSON, user_id), presets.c.created_by == user_id)


def _held_by(holder: Holder, holder_id: int | BindParameter[int]) -> ColumnElement[bool]:
    return (presets.c.holder == holder) & (presets.c.holder_id == holder_id)


def _named(name: str) -> ColumnElement[bool]:
    return presets.c.folded == folded(name)


def _one(connection: Connection, which: ColumnElement[bool]) -> Preset | None:
    row = connection.execute(select(*_COLUMNS).where(which)).first()
    return _preset(row) if row is not None else None


def _defaults_of(guild_id: int) -> Select[Any]:
    return (
        select(channel_defaults.c.channel_id, presets.c.name)
        .join(presets, channel_defaults.c.folded == presets.c.folded)
        .where(channel_defaults.c.guild_id == guild_id, _held_by(Holder.SERVER, guild_id))
    )


_OWN_FIRST = case((presets.c.holder == Holder.PERSON, 0), else_=1)
_is_named = presets.c.folded == bindparam("named")
_is_default_here = channel_defaults.c.channel_id.is_not(None)
_USABLE: Select[Any] = (
    select(*_COLUMNS, presets.c.folded, channel_defaults.c.channel_id, channel_defaults.c.set_by)
    .outerjoin_from(
        presets,
        channel_defaults,
        and_(
            channel_defaults.c.guild_id == presets.c.holder_id,
            channel_defaults.c.folded == presets.c.folded,
            channel_defaults.c.channel_id.in_(bindparam("channels", expanding=True)),
            presets.c.holder == Holder.SERVER,
        ),
    )
    .where(
        or_(
            and_(_held_by(Holder.PERSON, bindparam("person")), or_(presets.c.is_default, _is_named)),
            and_(_held_by(Holder.SERVER, bindparam("guild")), or_(_is_default_here, _is_named)),
        )
    )
    .order_by(_OWN_FIRST, presets.c.folded)
)


def read_usable(
    connection: Connection,
    user_id: int,
    guild_id: int | None,
    channel_ids: Collection[int] = (),
    name: str = "",
) -> Usable:
    """Return the presets that a user may use by this name, and those that apply without a name.

    In both, the user's own come first.
    """
    text = folded(name)
    values = {"person": user_id, "guild": guild_id or 0, "channels": [*channel_ids], "named": text}
    rows = connection.execute(_USABLE, values).all()
    of_channel = next((row for row in rows if row.channel_id is not None), None)
    return Usable(
        named=[_preset(row) for row in rows if row.folded == text],
        own=[_preset(row) for row in rows if row.is_default],
        channel=_preset(of_channel) if of_channel is not None else None,
        set_by=of_channel.set_by if of_channel is not None else None,
    )


def _preset(row: Row[Any]) -> Preset:
    values = {each.name: row._mapping[each] for each in _COLUMNS}
    return Preset(**{**values, "holder": Holder(row.holder)})


def _add_entry(connection: Connection, change: Sequence[str], **more: Any) -> None:
    """Write an audit entry about a change: what was changed, the old and the new value, as texts."""
    details = {"changes": [list(change)], **more.pop("details", {})}
    add_entries(connection, AuditEntry(action=AuditAction.SETTINGS, details=details, **more))


def _shown(name: str | None) -> str:
    return escape_line(name, NAME_LENGTH) if name is not None else "none"
