"""The courier: claim -> render -> send -> mark. It decides nothing; the row says what happened."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from bot.delivery.cleanup import OutcomeCleanup
from bot.delivery.notices import Notice, NoticePlanner
from bot.delivery.posting import OutcomeUnknown, Poster, TooLarge, Unreachable
from bot.delivery.routes import LEASE, Route, Router, Superseded
from bot.delivery.status import StatusUpdater
from bot.delivery.uploads import folder
from bot.domain.errors import BackendError, MediaError, StoreUnavailable
from bot.domain.runs import OUTCOMES, Delivery
from bot.metrics import Metrics
from bot.store import Store

log = logging.getLogger(__name__)

MAX_TRIES = 20
_LONGEST_PAUSE = 600.0


class Courier:
    """Brings what is owed to where it was asked for, exactly once."""

    def __init__(
        self,
        *,
        store: Store,
        poster: Poster,
        ladder: Router,
        status: StatusUpdater,
        metrics: Metrics,
        errands: NoticePlanner,
        owner: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._poster = poster
        self._ladder = ladder
        self._tidying = OutcomeCleanup(store, poster, clock)
        self._status = status
        self._metrics = metrics
        self._errands = errands
        self._owner = owner
        self._clock = clock

    async def claim(self) -> Delivery | None:
        return await self._store.deliveries.claim(self._owner, self._clock(), LEASE)

    async def deliver(self, delivery: Delivery) -> None:
        """One try. Whatever it ends in is in the store afterwards. Raises StoreUnavailable."""
        if delivery.tries > MAX_TRIES:
            # The last try was not told how it ended: perhaps it is what ends the process, over and over.
            self._metrics.attempt(delivery.purpose.name.lower(), await self._keep(delivery, "its tries died"))
            return
        try:
            async with self._lease(delivery), self._status.lock(delivery.run.batch_key):
                with folder() as room:
                    result = await self._bring(delivery, Path(room))
        except Superseded:
            await self._store.deliveries.postpone(delivery.id, self._owner, self._clock())
            result = "superseded"
        except (OutcomeUnknown, MediaError, BackendError) as error:
            result = await self._again_later(delivery, error)
        except StoreUnavailable:
            raise
        except Exception as error:
            # Left to its lease it would come up again for ever, and never be kept for its owner.
            log.exception("a try failed in a way that nobody foresaw")
            result = await self._again_later(delivery, error)
        self._metrics.attempt(delivery.purpose.name.lower(), result)

    async def _bring(self, delivery: Delivery, folder: Path) -> str:
        if delivery.purpose in OUTCOMES:
            return await self._show(delivery, folder)
        errand = await self._errands.plan(delivery, folder)
        if errand is not None:
            await self._run_errand(delivery, errand)
        await self._store.deliveries.complete(delivery.id, self._clock())
        return "done"

    async def _show(self, delivery: Delivery, folder: Path) -> str:
        route, withheld = await self._ladder.deliver(delivery, folder)
        if route is Route.UNDELIVERED:
            log.error("no way is left to show this outcome; it is kept")
            await self._store.deliveries.keep(delivery.id, self._owner, self._clock(), "every way was closed")
            return "kept"
        await self._tidying.after(delivery, in_place=route in (Route.IN_PLACE, Route.INTERACTION))
        if withheld:
            log.warning("an age-restricted result has no place that is marked so; its owner is told")
            await self._store.deliveries.keep(delivery.id, self._owner, self._clock(), "age-restricted")
        else:
            await self._store.deliveries.complete(delivery.id, self._clock())
            if not delivery.is_late_in_batch:
                log.info("delivered")
        self._metrics.shown(delivery.run, self._clock())
        await self._store.runs.drop_interaction_token(delivery.run.key)
        return "kept" if withheld else "done"

    async def _run_errand(self, delivery: Delivery, errand: Notice) -> None:
        """A message that is not an outcome has one way; where that is closed, `closed` says what follows."""
        try:
            if errand.edits is not None:
                await self._poster.edit(*errand.edits, errand.part)
            else:
                channel_id = errand.channel_id or await self._poster.direct_channel(delivery.run.requester_id)
                route = Route.CHANNEL if errand.channel_id else Route.DIRECT_MESSAGE
                await self._post(delivery, route, channel_id, errand)
        except Unreachable as error:
            log.warning("%s could not be posted: %s", delivery.purpose.name.lower(), error)
            await errand.closed()

    async def _post(self, delivery: Delivery, route: Route, channel_id: int, errand: Notice) -> None:
        try:
            await self._ladder.post(delivery, route, channel_id, [errand.part], mark=errand.mark)
        except (TooLarge, Unreachable) as error:
            if errand.smaller is None or not errand.part.files:
                raise Unreachable(str(error)) from error
            sent = await self._store.deliveries.clear_attempt(delivery.id)
            delivery = replace(delivery, attempted=False, messages=sent)
            smaller = [await errand.smaller()]
            await self._ladder.post(delivery, route, channel_id, smaller, mark=errand.mark)

    async def _again_later(self, delivery: Delivery, error: Exception) -> str:
        now = self._clock()
        if delivery.tries >= MAX_TRIES:
            return await self._keep(delivery, str(error))
        pause = min(2.0**delivery.tries, _LONGEST_PAUSE) * random.uniform(0.5, 1)
        log.warning("try %s did not succeed, the next in %.0f s: %s", delivery.tries, pause, error)
        await self._store.deliveries.postpone(
            delivery.id, self._owner, now + timedelta(seconds=pause), error=str(error)
        )
        return "again"

    async def _keep(self, delivery: Delivery, why: str) -> str:
        log.error("given up after %s tries, kept: %s", delivery.tries, why)
        await self._store.deliveries.keep(delivery.id, self._owner, self._clock(), why)
        return "kept"

    @asynccontextmanager
    async def _lease(self, delivery: Delivery) -> AsyncIterator[None]:
        """Keeps the claim alive while a long transfer runs."""

        async def extend() -> None:
            while True:
                await asyncio.sleep(LEASE.total_seconds() / 3)
                with suppress(StoreUnavailable):
                    await self._store.deliveries.extend(delivery.id, self._owner, self._clock() + LEASE)

        keeper = asyncio.create_task(extend())
        try:
            yield
        finally:
            keeper.cancel()
