"""The command `migrate`: bring a stopped bot's database up to date, also where a start refuses it."""

from __future__ import annotations

from typing import TextIO

from bot.config.settings import Settings
from bot.database.schema import NEWEST, upgrade
from bot.effects import Effects
from bot.ops.backups import opened, require_file, require_stopped


async def migrate(settings: Settings, effects: Effects, out: TextIO, *, destructive: bool) -> int:
    """Run the missing migrations, also those that delete data if `destructive`. Return the exit code 0.

    Raises StartupError.
    """
    async with opened(settings, effects) as (database, coordinator):
        require_file(database)
        await require_stopped(database, coordinator)
        await upgrade(database, effects.now(), destructive=destructive)
    out.write(f"The database has the schema {NEWEST}, up to date.\n")
    return 0
