"""Edit status messages after changes, within Discord's rate limits."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from bot.database.coordination import MESSAGE_LOCK_SECONDS, Coordinator, LockHeld, locked
from bot.delivery.posting import NotYet, Poster, PostError, Unreachable
from bot.domain.errors import StoreUnavailable
from bot.domain.results.deliveries import Delivery, Purpose
from bot.domain.results.showing import AgeMark, is_marked_now
from bot.domain.runs import Run, RunState
from bot.store import Store
from bot.ui.message_parts import OutgoingMessage
from bot.ui.status import finishing_message, status_message, undelivered_message

log = logging.getLogger(__name__)
# Edits by an interaction have their own rate limit; edits with the bot's token share the channel's.
FAST = timedelta(seconds=3)
SLOW = timedelta(seconds=15)
# The status message says *Finishing up* once the outputs have been downloading for this many seconds.
FINISHING_AFTER = 5.0
_CHUNK_SIZE = 50
_EDITS_PER_CHANNEL = 2


class StatusUpdater:
    """Edits the status messages of active batches.

    `expected` returns when a batch should end, or None if unknown. `posting` returns the channels to which
    deliveries are being posted. In these channels, edits with the bot's token have to wait, because they
    share the channel's rate limit with the posts.
    """

    def __init__(
        self,
        *,
        store: Store,
        coordinator: Coordinator,
        poster: Poster,
        title: Callable[[str], str],
        age_marks: Callable[[Run], Sequence[AgeMark]],
        expected: Callable[[Sequence[Run]], Awaitable[datetime | None]],
        clock: Callable[[], datetime],
        posting: Callable[[], frozenset[int]] = frozenset,
    ) -> None:
        self._store = store
        self._coordinator = coordinator
        self._poster = poster
        self._title = title
        self._age_marks = age_marks
        self._expected = expected
        self._clock = clock
        self._posting = posting
        self._claimed: deque[Run] = deque()
        self._editing: dict[str, int | None] = {}

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:
        """Hold the lock of a batch, by its key, while changing its messages.

        The lock keeps a late edit of the status message from overwriting the outcome. Raises NotYet if
        another process holds it for long.
        """
        try:
            async with locked(self._coordinator, key, MESSAGE_LOCK_SECONDS):
                yield
        except LockHeld as error:
            raise NotYet("another process is changing the messages of this batch") from error

    async def claim(self) -> Run | None:
        """Claim the first run of a batch whose status message may be edited now, or return None.

        An edit with the bot's token has to wait while its channel is busy.
        """
        claimed = self._next()
        if claimed is None:
            self._claimed.extend(
                await self._store.claims.claim_status(
                    self._clock(), FAST, SLOW, _CHUNK_SIZE, full=self._full_channels()
                )
            )
            claimed = self._next()
        if claimed is not None:
            self._editing[claimed.key] = self._channel(claimed)
        return claimed

    async def update(self, claimed: Run) -> None:
        """Edit the status message of a claimed run's batch, unless all of its runs have ended."""
        try:
            async with self.lock(claimed.key):
                batch = await self._store.runs.batch(claimed)
                if not all(run.final for run in batch):
                    title, expected = self._title(batch[0].deployment), await self._expected(batch)
                    marked = is_marked_now(batch[0], self._age_marks(batch[0]))
                    message = status_message(batch, title, expected, age_restricted=marked)
                    await self._edit(batch[0], message)
        except PostError as error:
            # Deleted or forbidden, or Discord is slow: the outcome chooses its own route.
            log.info("can't update the status message: %s", error)
        finally:
            self._editing.pop(claimed.key, None)

    async def show_download(self, delivery: Delivery) -> None:
        """Say in the status message that the outputs are being fetched; the caller holds the batch's lock.

        Does nothing if the delivery isn't an outcome, or after an attempt to post, which may have turned the
        command's answer into the outcome.
        """
        if delivery.purpose is not Purpose.OUTCOME or delivery.attempted or delivery.messages:
            return
        try:
            await self._edit(
                delivery.batch[0], finishing_message(delivery.batch, self._title(delivery.run.deployment))
            )
        except PostError as error:
            log.info("can't update the status message: %s", error)

    def _next(self) -> Run | None:
        """Return the first claimed run whose channel has a free place, and keep the others for later."""
        full = self._full_channels()
        for index, run in enumerate(self._claimed):
            if self._channel(run) not in full:
                del self._claimed[index]
                return run
        return None

    def _full_channels(self) -> frozenset[int]:
        """Return the channels to which deliveries are posted, or with as many edits as may run at once."""
        counted = Counter(channel for channel in self._editing.values() if channel is not None)
        full = frozenset(channel for channel, count in counted.items() if count >= _EDITS_PER_CHANNEL)
        return self._posting() | full

    def _channel(self, run: Run) -> int | None:
        """Return the channel whose rate limit an edit counts against, or None for an edit by interaction."""
        return run.channel_id if run.interaction_token_at(self._clock()) is None else None

    async def show_undelivered(self, delivery: Delivery) -> None:
        """Say in the status message that the outcome waits in `/runs`.

        A message that the bot can't edit any more, or that shows a part of the outcome, stays as it is.
        Raises OutcomeUnknown and StoreUnavailable.
        """
        run = delivery.run
        sent = await self._store.deliveries.sent(run.key, delivery.purpose)
        holds_a_part = run.status_message_id in [message.message_id for message in sent.messages]
        if delivery.is_late_in_batch or holds_a_part:
            return
        try:
            await self._edit(run, undelivered_message(delivery.batch, self._title(run.deployment)))
        except Unreachable as error:
            log.info("can't update the status message: %s", error)
        except (PostError, StoreUnavailable):
            raise
        except Exception:
            log.exception("can't update the status message")

    async def _edit(self, run: Run, message: OutgoingMessage) -> None:
        message_id = run.status_message_id
        token = run.interaction_token_at(self._clock())
        # The status of a request that waits for approval is ephemeral.
        only_by_interaction = run.needs_interaction or run.state is RunState.AWAITING_APPROVAL
        if token is not None:
            try:
                edited = await self._poster.edit_original(run.application_id, token, message_id, message)
            except Unreachable:
                if only_by_interaction:
                    raise
            else:
                if message_id is None:
                    await self._store.runs.note_status_message(run.key, edited)
                return
        if message_id is not None and not only_by_interaction:
            await self._poster.edit(run.channel_id, message_id, message)
