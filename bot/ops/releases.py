"""Mention a newer release in the log, at most once a day, if RELEASES_URL is set."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime

from bot import __version__
from bot.context import App
from bot.domain.errors import MediaError
from bot.ops.backups import DAY, claim
from bot.worker import Later

log = logging.getLogger(__name__)
_NEXT, _MOST_BYTES = "next release check", 1024 * 1024
_TAG = re.compile(rb'"tag_name"\s*:\s*"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})"')


class ReleaseCheck:
    """A worker's functions, of which one process reads the newest release each day; nothing depends on it."""

    def __init__(self, app: App, url: str) -> None:
        self._app, self._url = app, url

    async def claim(self, _room: int) -> Sequence[datetime] | Later | None:
        now = self._app.now()
        due_at = await self._app.store.database.write(claim, now, _NEXT)
        return [now] if due_at is None else Later.at(due_at, now)

    async def handle(self, now: datetime) -> None:
        try:
            with ExitStack() as files:
                # As hostile as an output, so its address, redirects, time and size have the same limits.
                found = await self._app.fetcher.fetch(self._url, _MOST_BYTES, files, server=0)
                found.content.seek(0)
                tag = _TAG.search(found.content.read())
        except MediaError as error:
            log.info("can't read RELEASES_URL, and try again in an hour: %s", error)
            return
        await self._app.store.key_values.put(_NEXT, (now + DAY).isoformat())
        if tag is None:
            log.info("RELEASES_URL has no tag_name such as v%s", __version__)
        elif [*map(int, tag.groups())] > [*map(int, __version__.split(".")[:3])]:
            newest = b".".join(tag.groups()).decode()
            log.warning("version %s is released, and this is %s: see its changelog", newest, __version__)
