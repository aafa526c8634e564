"""Compare the free disk space with what a day of the bot needs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from bot.config.fields import Role
from bot.config.settings import Settings
from bot.database.tables import requests
from bot.domain.errors import StoreUnavailable
from bot.ops.check_services import Finding, ok, problem, warning
from bot.outside import Outside
from bot.store import Store
from bot.workers.notices import is_nearly_full

DISK = "Disk"
_MB = 1000 * 1000
# A request takes about 3.4 kB of the database, measured with one run and a prompt of 200 characters. Longer
# prompts, more runs and the log of SQLite are in this figure, and more requests than were made so far.
_REQUEST_BYTES, _LEAST_REQUESTS = 10_000, 1000
# Results on their way to Discord, which are larger than those kept in memory.
_RESULTS_BYTES = 100 * _MB


async def check_disks(
    settings: Settings, store: Store, outside: Outside, *, usable: bool, wrong: bool
) -> list[Finding]:
    """Return a finding for each disk that the bot writes to.

    The database is read if it is `usable`, and left out if it is `wrong`, which another finding says.
    """
    recent = 0
    if usable:
        since = outside.now() - timedelta(days=1)
        count = select(func.count()).where(requests.c.created_at >= since)
        with suppress(StoreUnavailable):
            recent = await store.database.read(lambda connection: connection.scalar(count) or 0)
    disks = dict[int, list[tuple[str, Path, int]]]()
    for name, folder, size in _needs(settings, None if wrong else store.database.file, recent):
        with suppress(OSError):
            place = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
            disks.setdefault(place.stat().st_dev, []).append((name, place, size))
    return [_compare(each) for each in disks.values()]


def _needs(settings: Settings, file: Path | None, recent: int) -> Iterator[tuple[str, Path, int]]:
    """Yield what is written in a day, where, and how many bytes it takes."""
    growth = max(recent, _LEAST_REQUESTS) * _REQUEST_BYTES
    if file is not None:
        yield "the database", file.parent, growth
    if settings.backup_dir is not None and settings.backup_dir.is_dir():
        made = [each.stat().st_size for each in settings.backup_dir.glob("bot-*.jsonl.gz")]
        # A backup is compressed, so the first one takes less than the database.
        first = file.stat().st_size if file is not None and file.exists() else 0
        yield "backups", settings.backup_dir, max(made, default=first) + growth
    if Role.MESSENGER in settings.roles:
        yield "temporary files", Path(tempfile.gettempdir()), _RESULTS_BYTES


def _compare(needs: list[tuple[str, Path, int]]) -> Finding:
    free, needed = shutil.disk_usage(needs[0][1]).free, sum(size for _, _, size in needs)
    names = " and ".join([", ".join(name for name, _, _ in needs[:-1]), needs[-1][0]][len(needs) == 1 :])
    summary = f"{_shown(free)} free for {names}; a day needs about {_shown(needed)}."
    remedy = f"Free some space on the disk of {needs[0][1]}, or use another."
    if free < needed:
        return problem(DISK, summary, remedy)
    return warning(DISK, summary, remedy) if is_nearly_full(needs[0][1]) else ok(DISK, summary)


def _shown(size: int) -> str:
    return f"{size / _MB / 1000:,.1f} GB" if size >= 1000 * _MB else f"{size / _MB:,.0f} MB"
