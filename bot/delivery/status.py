"""Decide when a status message is edited: only after a change, and within Discord's rate limits."""

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
from bot.domain.runs import Run
from bot.store import Store
from bot.ui.status import status_message

log = logging.getLogger(__name__)
# An interaction's edits have a rate limit of their own; the bot token's share the channel's.
FAST = timedelta(seconds=3)
SLOW = timedelta(seconds=15)
_CHUNK_SIZE = 50
# Longer than an edit takes, so that usually the other process finishes first.
_LOCK_SECONDS = 10.0


class StatusUpdater:
    """Edits the status messages of active batches."""

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
        """Hold the lock of a batch, by its key, while changing its messages.

        It keeps a late edit of the status message from overwriting the outcome. Raises OutcomeUnknown if
        another process holds it for long.
        """
        async with self._locks.setdefault(key, asyncio.Lock()):
            try:
                async with locked(self._coordinator, key, _LOCK_SECONDS):
                    yield
            except LockHeld as error:
                raise OutcomeUnknown("another process is changing the messages of this batch") from error

    async def claim(self) -> Run | None:
        if not self._claimed:
            self._claimed.extend(
                await self._store.claims.claim_status(self._clock(), self._fast, SLOW, _CHUNK_SIZE)
            )
        return self._claimed.popleft() if self._claimed else None

    async def update(self, claimed: Run) -> None:
        """Edit the status message of a claimed run's batch, unless all of its runs have ended."""
        try:
            async with self.lock(claimed.key):
                batch = await self._store.runs.batch(claimed)
                if not all(run.final for run in batch):
                    await self._edit(batch)
        except PostError as error:
            # Deleted or forbidden, or Discord is slow: the outcome takes a route of its own.
            log.info("the status message was not updated: %s", error)

    async def _edit(self, batch: Sequence[Run]) -> None:
        run = batch[0]
        message_id = run.status_message_id
        if message_id is None:
            return
        message = status_message(batch, self._title(run.deployment))
        token = run.interaction_token_at(self._clock())
        if token is not None:
            await self._poster.edit_original(run.application_id, token, message_id, message)
        elif not run.user_install:
            await self._poster.edit(run.channel_id, message_id, message)
