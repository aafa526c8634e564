"""Tell the bot's owner in a direct message about trouble that only they can end.

The processes of one database tell it once, and once more when it is over. Any part of the bot reports trouble
by `Troubles`; what can be measured is looked at here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from bot.context import App, Trouble
from bot.domain.errors import StoreUnavailable

log = logging.getLogger(__name__)
_STORED_AS = "trouble"
# Trouble is over if no process has seen it for this long, so one that comes and goes isn't told each time.
_OVER = timedelta(minutes=30)
_LATE = timedelta(hours=1)
# Little space is left below this share of a disk, or below so many bytes if that is less.
_SHARE, _BYTES = 0.05, 500 * 1000 * 1000

SENTENCES: Mapping[Trouble, tuple[str, str]] = {
    Trouble.KEY: (
        "ComfyDeploy refuses my key, so nothing can start. Set a new `COMFYDEPLOY_API_KEY`, then restart me.",
        "ComfyDeploy accepts my key again.",
    ),
    Trouble.CREDITS: (
        "ComfyDeploy runs nothing: the account is out of credits or suspended. Its dashboard says more.",
        "ComfyDeploy runs requests again.",
    ),
    Trouble.UNDELIVERED: (
        "Results have been waiting to be posted for over an hour. My log says why.",
        "All results are posted again.",
    ),
    Trouble.DISK: (
        "Little space is left on the disk of my database or of temporary files. Please free some.",
        "There is enough disk space again.",
    ),
    Trouble.BACKUP: (
        "The daily backup failed. My log says why, and I'll try again in an hour.",
        "The daily backup works again.",
    ),
    Trouble.SECOND_BOT: (
        "Another process with my token answers commands, over another database. Please stop one of the two.",
        "No other process answers my commands any more.",
    ),
}


def look(
    stored: str | None, *, seen: Collection[Trouble], now: datetime
) -> tuple[str | None, list[tuple[Trouble, bool]]]:
    """Return what to store about the trouble that lasts, and what the owner is to be told.

    For each trouble that lasts, this stores when it was last seen, to within half of `_OVER`.
    """
    seen_at: dict[str, str] = json.loads(stored or "{}")
    news = list[tuple[Trouble, bool]]()
    for trouble in Trouble:
        last = datetime.fromisoformat(seen_at[trouble]) if trouble in seen_at else None
        if trouble in seen:
            if last is None:
                news.append((trouble, True))
            if last is None or now >= last + _OVER / 2:
                seen_at[trouble] = now.isoformat()
        elif last is not None and now >= last + _OVER:
            news.append((trouble, False))
            del seen_at[trouble]
    return json.dumps(seen_at) if stored or seen_at else None, news


class Notices:
    """A worker's functions: `claim` finds what the owner has to be told, and `handle` tells them."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._gauge = app.metrics.gauge("trouble", "Whether this process sees it", "kind")

    async def claim(self, _room: int) -> Sequence[tuple[Trouble, bool]]:
        now, values = self._app.now(), self._app.store.key_values
        seen = set(self._app.troubles.present(self._app.effects.monotonic()))
        if await asyncio.get_running_loop().run_in_executor(self._app.files, self._is_disk_full):
            seen.add(Trouble.DISK)
        with suppress(StoreUnavailable):
            oldest = (await self._app.store.figures.gauges(now)).oldest_pending_at
            if oldest is not None and now >= oldest + _LATE:
                seen.add(Trouble.UNDELIVERED)
        for trouble in Trouble:
            self._gauge.labels(trouble).set(trouble in seen)
        change = partial(look, seen=seen, now=now)
        stored = await values.get(_STORED_AS)
        # Without trouble this only reads.
        return await values.change(_STORED_AS, change) if change(stored)[0] != stored else []

    def _is_disk_full(self) -> bool:
        file = self._app.store.database.file
        folders = [Path(tempfile.gettempdir()), *([file.parent] if file is not None else [])]
        for folder in folders:
            with suppress(OSError):
                total, _, free = shutil.disk_usage(folder)
                if free < min(_SHARE * total, _BYTES):
                    return True
        return False

    async def handle(self, news: tuple[Trouble, bool]) -> None:
        trouble, lasts = news
        sentence = SENTENCES[trouble][0 if lasts else 1]
        log.log(logging.ERROR if lasts else logging.INFO, "telling the owner: %s", sentence)
        await self._app.discord.tell_owner(sentence)
