"""The command `backup`, and the backup that a running bot makes each day."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from bot.config.settings import Settings
from bot.database.engine import Database
from bot.domain.errors import StartupError
from bot.ops.dump import BackupError, back_up
from bot.outside import Outside


async def backup(settings: Settings, outside: Outside, file: Path | None, out: TextIO) -> int:
    """Write a backup to a new file, and return the exit code: 1 if it can't be written.

    Raises StartupError if there is no database or the file exists, and StoreUnavailable.
    """
    now = outside.now()
    path = file or (settings.backup_dir or Path()) / f"bot-{now:%Y%m%d-%H%M%S}.tar.gz"
    if path.exists():
        raise StartupError(f"{path} exists. Name another file.")
    database = Database(settings.database_url.get_secret_value(), outside)
    try:
        manifest = await back_up(database, path, now)
    except BackupError as error:
        out.write(f"{error}\n")
        return 1
    finally:
        await database.close()
    out.write(f"Wrote {manifest.rows} rows to {path}. It holds prompts and the webhook secret: protect it.\n")
    return 0
