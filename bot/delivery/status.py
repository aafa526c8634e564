"""Keeps the status messages true: an edit only when something changed, and seldom enough for Discord."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from bot.database.coordination import Coordinator, LockHeld, locked
from bot.delivery.posting import OutcomeUnknown, Poster, PostError
from bot.domain.runs import Run, token_of
from bot.store import Store
from bot.ui.status import status_message

log = logging.getLogger(__name__)
# Through the interaction a message has a rate limit of its own; the bot's token shares one for the channel.
FAST = timedelta(seconds=3)
SLOW = timedelta(seconds=15)
_PORTION = 50


class StatusUpdater:
    """Edits the status messages of runs that have not ended."""

    def __init__(
        self,
        *,
        store: Store,
        coordinator: Coordinator,
        poster: Poster,
        title: Callable[[str], str],
        clock: Callable[[], datetime],
        fast: timedelta = FAST,
    ) -> None:
        self._store = store
        self._coordinator = coordinator
        self._poster = poster
        self._title = title
        self._clock = clock
        self._fast = fast
        self._claimed: deque[Run] = deque()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:
        """Held by whoever changes a request's messages, so that a late edit can't undo their end; of several,
        by the lead's key.

        Raises Unclear when another process keeps it for long.
        """
        async with self._locks.setdefault(key, asyncio.Lock()):
            try:
                async with locked(self._coordinator, key):
                    yield
            except LockHeld as error:
                raise OutcomeUnknown("another process is changing the status message") from error

    async def claim(self) -> Run | None:
        if not self._claimed:
            self._claimed.extend(
                await self._store.work.claim_status(self._clock(), self._fast, SLOW, _PORTION)
            )
        return self._claimed.popleft() if self._claimed else None

    async def show(self, claimed: Run) -> None:
        try:
            async with self.lock(claimed.key):
                batch = await self._store.runs.batch(claimed)
                if not all(run.final for run in batch):
                    await self._edit(batch)
        except PostError as error:
            # Deleted, withdrawn or slow: the result finds its own way.
            log.info("the status message was not updated: %s", error)

    async def _edit(self, batch: Sequence[Run]) -> None:
        run = batch[0]
        message_id = run.status_message_id
        if message_id is None:
            return
        part = status_message(batch, self._title(run.deployment))
        token = token_of(run, self._clock())
        if token is not None:
            await self._poster.edit_original(run.application_id, token, message_id, part)
        elif not run.user_install:
            await self._poster.edit(run.channel_id, message_id, part)
