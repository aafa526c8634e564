"""Ask each day whether there is a newer release, if RELEASES_URL is set, and mention it in the log."""

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
from bot.workers.worker import Later

log = logging.getLogger(__name__)
_NEXT = "next release check"
_TAG = re.compile(rb'"tag_name"\s*:\s*"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})"')
_MOST_BYTES = 1024 * 1024


class ReleaseCheck:
    """A worker's functions. Of the processes that share a database, one asks; a failure is no trouble."""

    def __init__(self, app: App, url: str) -> None:
        self._app = app
        self._url = url

    async def claim(self, _room: int) -> Sequence[datetime] | Later | None:
        now = self._app.now()
        due_at = await self._app.store.database.write(claim, now, _NEXT)
        return [now] if due_at is None else Later.at(due_at, now)

    async def handle(self, now: datetime) -> None:
        """Read the JSON of the newest release as carefully as an output, and note when to ask again."""
        try:
            with ExitStack() as files:
                found = await self._app.fetcher.fetch(
                    self._url, _MOST_BYTES, files, server=0, filename="release.json"
                )
                found.content.seek(0)
                tag = _TAG.search(found.content.read())
        except MediaError as error:
            log.info("can't read RELEASES_URL, and try again in an hour: %s", error)
            return
        await self._app.store.key_values.put(_NEXT, (now + DAY).isoformat())
        if tag is None:
            log.info("RELEASES_URL names no release in tag_name, such as v%s", __version__)
        elif [*map(int, tag.groups())] > [*map(int, __version__.split(".")[:3])]:
            newest = b".".join(tag.groups()).decode()
            log.warning("version %s is released, and this is %s: see its changelog", newest, __version__)
