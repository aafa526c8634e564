"""Presets of users and servers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, case, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.commits import repeat_if_unknown
from bot.database.engine import Database
from bot.database.tables import presets
from bot.domain.errors import RefusedError
from bot.domain.records import AuditAction, AuditEntry
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
            await _add_entry(connection, preset, preset.created_by, f"+ preset {preset.name}", now)
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
        """Delete a preset; return False if there is none of that name."""
        async with self._database.write(urgent=True) as connection:
            found = await connection.execute(
                delete(presets).where(_one(holder, holder_id, name)).returning(*_COLUMNS)
            )
            row = found.first()
            if row is None:
                return may_be_stored
            preset = _preset(row)
            await _add_entry(connection, preset, by, f"- preset {preset.name}", now)
            return True

    async def named(self, user_id: int, guild_id: int | None, name: str) -> Sequence[Preset]:
        """Return the presets with this name: the user's own first, then the server's."""
        return await self._read(user_id, guild_id, presets.c.folded == folded(name))

    async def visible(self, user_id: int, guild_id: int | None) -> Sequence[Preset]:
        """Return the user's own presets by name, then the server's."""
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
    """Match a user's own presets and those they made for servers."""
    return or_(_held_by(Holder.PERSON, user_id), presets.c.created_by == user_id)


def _held_by(holder: Holder, holder_id: int) -> ColumnElement[bool]:
    return (presets.c.holder == holder) & (presets.c.holder_id == holder_id)


def _one(holder: Holder, holder_id: int, name: str) -> ColumnElement[bool]:
    return _held_by(holder, holder_id) & (presets.c.folded == folded(name))


def _preset(row: Row[Any]) -> Preset:
    values = dict(row._mapping)
    return Preset(**{**values, "holder": Holder(values["holder"])})


async def _add_entry(
    connection: AsyncConnection, preset: Preset, actor_id: int | None, what: str, now: datetime
) -> None:
    if preset.holder is Holder.SERVER:
        await add_entries(
            connection,
            AuditEntry(
                at=now,
                guild_id=preset.holder_id,
                action=AuditAction.SETTINGS,
                actor_id=actor_id,
                deployment=preset.deployment,
                details={"what": what},
            ),
        )
