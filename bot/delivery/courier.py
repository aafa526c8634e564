"""Claim a delivery, send it, and store whether it is done, to be retried, or given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from bot.delivery.age_restriction import AgeRestriction
from bot.delivery.cards_and_notices import Notice, NoticeBuilder
from bot.delivery.cleanup import OutcomeCleanup, ResultRemoval
from bot.delivery.copies import CopySender
from bot.delivery.media.temporary_files import temporary_folder
from bot.delivery.pace.outages import Outages
from bot.delivery.posting import NotYet, OutcomeUnknown, Poster, TooLarge, Unreachable
from bot.delivery.retries import LEASE, MAX_TRIES, form_of, pause_after
from bot.delivery.routes import Router, Superseded
from bot.delivery.status import StatusUpdater
from bot.domain.errors import BackendError, MediaError, StoreUnavailable
from bot.domain.results.deliveries import (
    COPY_PURPOSES,
    OUTCOME_PURPOSES,
    Delivery,
    MessageRef,
    Purpose,
    Route,
)
from bot.domain.runs import RunState
from bot.metrics import Metrics
from bot.store import Store
from bot.ui.custom_ids import Action
from bot.ui.message_parts import OutgoingMessage

log = logging.getLogger(__name__)
# The metrics' label for undelivered. It keeps its old word, because operators' dashboards rely on it.
_UNDELIVERED = "kept"
_STOP_SECONDS = 1.0


class Courier:
    """Sends each delivery to Discord once.

    docs/reliability.md lists the rare cases in which a message may appear twice.
    """

    def __init__(
        self,
        *,
        store: Store,
        poster: Poster,
        router: Router,
        age_restriction: AgeRestriction,
        status: StatusUpdater,
        metrics: Metrics,
        notices: NoticeBuilder,
        removal: ResultRemoval,
        owner: str,
        clock: Callable[[], datetime],
        random: Random,
    ) -> None:
        self._store = store
        self._poster = poster
        self._router = router
        self._copies = CopySender(store, poster, router, age_restriction, clock)
        self._cleanup = OutcomeCleanup(store, poster, clock)
        self._status = status
        self._metrics = metrics
        self._notices = notices
        self._removal = removal
        self._owner = owner
        self._clock = clock
        self._random = random
        self._outages = Outages(random)
        self._interrupted: dict[int, Delivery] = {}

    async def claim(self, full: Collection[int], own: Collection[int]) -> Delivery | None:
        """Claim a due delivery to a channel that isn't in `full`.

        `own` has the ids of the deliveries that this process is working on. If the machine slept or its clock
        jumped, their leases may have expired. Claiming them again would use up their tries.

        Returns None if there is none, or if the courier holds back during or after an outage of Discord.
        """
        await self._return_interrupted()
        if not self._outages.admits(self._clock()):
            return None
        delivery = await self._store.deliveries.claim(self._owner, self._clock(), LEASE, full=full, own=own)
        if delivery is None and not full:
            self._outages.nothing_due()
        return delivery

    async def deliver(self, delivery: Delivery) -> None:
        """Try to send a delivery once, and store the result. Raises StoreUnavailable."""
        try:
            result = await self._attempt(delivery)
        except StoreUnavailable:
            self._interrupted[delivery.id] = delivery
            raise
        except asyncio.CancelledError:
            # The process is stopping. Release the claim, so that the next one needn't wait for the lease to
            # expire.
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._wait(delivery, "the process was stopped", timedelta())
            raise
        self._metrics.attempt(delivery.purpose.name.lower(), result)

    async def _return_interrupted(self) -> None:
        """Release the deliveries that a database outage interrupted, without counting a try."""
        for delivery in [*self._interrupted.values()]:
            await self._wait(delivery, "the database was unavailable", self._outages.pause(delivery.id))
            self._interrupted.pop(delivery.id, None)

    async def _attempt(self, delivery: Delivery) -> str:
        """Send a delivery and return the result's label for the metrics. An outage doesn't count as a try."""
        try:
            return await self._send_or_fail(delivery)
        except Superseded:
            await self._wait(delivery, "a run has changed", timedelta())
            return "superseded"
        except OutcomeUnknown as error:
            if not isinstance(error, NotYet):
                await self._note_unanswered(delivery)
            await self._wait(delivery, str(error), self._outages.pause(delivery.id))
            return "again"

    async def _note_unanswered(self, delivery: Delivery) -> None:
        """Record an unanswered attempt.

        If several attempts at this delivery were unanswered, and none at others since Discord's last answer,
        make a test call to find out whether Discord is down or ignores only this delivery.
        """
        self._outages.unanswered(delivery.id, self._clock())
        if self._outages.is_suspect(delivery.id) and await self._poster.answers(delivery.run.channel_id):
            self._outages.answered_otherwise()

    async def _send_or_fail(self, delivery: Delivery) -> str:
        if delivery.tries > MAX_TRIES:
            # The last try stored no result, so this delivery may be what crashes the process.
            return await self._give_up(delivery, "the process died during each attempt")
        try:
            async with self._lease(delivery), self._status.lock(delivery.run.request_key):
                with temporary_folder() as folder:
                    return await self._send(delivery, Path(folder))
        except (OutcomeUnknown, Superseded, StoreUnavailable):
            raise
        except (MediaError, BackendError) as error:
            return await self._retry_later(delivery, error)
        except Exception as error:
            # Otherwise the delivery would be retried each time its lease expires, and never appear in /runs.
            log.exception("delivery %s failed with an unforeseen error", delivery.id)
            return await self._retry_later(delivery, error)

    async def _send(self, delivery: Delivery, folder: Path) -> str:
        if self._outages.is_abandoned(delivery.id, self._clock()):
            delivery = replace(delivery, abandoned=True)
        if delivery.purpose in OUTCOME_PURPOSES:
            return await self._send_outcome(delivery, folder)
        if delivery.purpose in COPY_PURPOSES:
            return await self._send_copy(delivery, folder)
        if delivery.purpose is Purpose.REMOVAL:
            await self._removal.run(delivery.run)
        else:
            await self._send_notice(delivery, folder)
        await self._complete(delivery)
        return "done"

    async def _send_outcome(self, delivery: Delivery, folder: Path) -> str:
        route, withheld = await self._router.deliver(delivery, folder, self._outages.form(delivery.id))
        if route is Route.UNDELIVERED:
            log.error("can't show the outcome of run %s: no route is left", delivery.run.key)
            await self._status.show_undelivered(delivery)
            await self._mark_undelivered(delivery, "every route failed")
            self._outages.answered(delivery.id)
            return _UNDELIVERED
        await self._cleanup.run(delivery, in_place=route in (Route.IN_PLACE, Route.INTERACTION))
        self._outages.answered(delivery.id)
        # A withheld result may be requested again at once, with another token.
        await self._store.runs.drop_interaction_token(delivery.run.key)
        if withheld:
            log.warning("withheld the result of run %s: no age-restricted channel", delivery.run.key)
            await self._mark_undelivered(delivery, "age-restricted")
        else:
            await self._complete(delivery)
            if not delivery.is_late_in_batch:
                log.info("delivered")
        self._metrics.shown(delivery.run, self._clock())
        return _UNDELIVERED if withheld else "done"

    async def _send_copy(self, delivery: Delivery, folder: Path) -> str:
        """Post a copy of a result. A failed copy is marked undelivered, so that it can be requested again."""
        failed = await self._copies.send(delivery, folder, self._outages.form(delivery.id))
        self._outages.answered(delivery.id)
        await self._store.copies.finish(delivery, self._owner, self._clock(), failed)
        return "done" if failed is None else _UNDELIVERED

    async def _send_notice(self, delivery: Delivery, folder: Path) -> None:
        """Send a delivery's notice, if it still has one. A request whose review card can't be posted ends."""
        form = max(form_of(delivery.tries), self._outages.form(delivery.id))
        notice = await self._notices.build(delivery, folder, form)
        if notice is None:
            await self._find_lost_card(delivery)
            return
        try:
            if notice.edits is not None:
                await self._edit(delivery, notice.edits, notice.message)
            else:
                channel_id = notice.channel_id or await self._poster.direct_channel(delivery.run.requester_id)
                route = Route.CHANNEL if notice.channel_id else Route.DIRECT_MESSAGE
                await self._post(delivery, route, channel_id, notice)
        except Unreachable as error:
            log.warning("can't post the %s: %s", delivery.purpose.name.lower(), error)
            if delivery.purpose is Purpose.REVIEW:
                await self._refuse_review(delivery.run.key)
        self._outages.answered(delivery.id)

    async def _find_lost_card(self, delivery: Delivery) -> None:
        """Look for a review card whose post was interrupted, and store its id for the delivery that updates
        it.
        """
        since, channel_id = delivery.attempted_at, delivery.destination
        if delivery.purpose is not Purpose.REVIEW or delivery.messages or since is None:
            return
        with suppress(Unreachable):
            found = await self._poster.find_offering(channel_id, delivery.run.key, Action.APPROVE, since)
            if found is not None:
                await self._store.deliveries.mark_sent(delivery, [MessageRef(channel_id, found)])

    async def _refuse_review(self, key: str) -> None:
        """End a request whose review card can't be posted. The outcome tells its requester why."""
        await self._store.runs.finish(key, RunState.REFUSED, self._clock(), code="review_unreachable")

    async def _edit(self, delivery: Delivery, edited: MessageRef, message: OutgoingMessage) -> None:
        if delivery.abandoned:
            raise Unreachable("Discord answers other calls, but never this edit")
        await self._poster.edit(*edited, message)

    async def _post(self, delivery: Delivery, route: Route, channel_id: int, notice: Notice) -> None:
        suffix = notice.nonce_suffix
        try:
            await self._router.post(delivery, route, channel_id, [notice.message], nonce_suffix=suffix)
        except (TooLarge, Unreachable) as error:
            if notice.without_files is None or not notice.message.files:
                raise Unreachable(str(error)) from error
            delivery = await self._router.forget_attempt(delivery)
            messages = [await notice.without_files()]
            await self._router.post(delivery, route, channel_id, messages, nonce_suffix=suffix)

    async def _wait(self, delivery: Delivery, reason: str, pause: timedelta) -> None:
        """Release a delivery to be retried after a pause, without counting this attempt as a try."""
        due_at = self._clock() + pause
        await self._store.deliveries.postpone(delivery, self._owner, due_at, error=reason, counted=False)
        log.info("delivery %s waits %.0f s: %s", delivery.id, pause.total_seconds(), reason)

    async def _retry_later(self, delivery: Delivery, error: Exception) -> str:
        """Postpone a delivery after a failed try, or give it up after the last one."""
        if delivery.tries >= MAX_TRIES:
            return await self._give_up(delivery, str(error))
        pause = pause_after(delivery.tries, self._random)
        log.warning("try %s failed, the next in %.0f s: %s", delivery.tries, pause.total_seconds(), error)
        await self._store.deliveries.postpone(delivery, self._owner, self._clock() + pause, error=str(error))
        return "again"

    async def _give_up(self, delivery: Delivery, reason: str) -> str:
        """Mark a delivery as undelivered.

        Before that, edit the status message of an outcome, tell the requester of a copy, or refuse the
        request of a review card. Raises OutcomeUnknown if Discord doesn't answer.
        """
        log.error("gave up delivery %s after %s tries: %s", delivery.id, delivery.tries, reason)
        if delivery.purpose in OUTCOME_PURPOSES:
            await self._status.show_undelivered(delivery)
        elif delivery.purpose is Purpose.REVIEW:
            await self._refuse_review(delivery.run.key)
        elif delivery.purpose in COPY_PURPOSES:
            await self._copies.tell(delivery, "copy_failed")
            await self._store.copies.finish(delivery, self._owner, self._clock(), "copy_failed")
            return _UNDELIVERED
        await self._mark_undelivered(delivery, reason)
        return _UNDELIVERED

    async def _complete(self, delivery: Delivery) -> None:
        if not await self._store.deliveries.complete(delivery, self._clock()):
            raise Superseded

    async def _mark_undelivered(self, delivery: Delivery, reason: str) -> None:
        await self._store.deliveries.mark_undelivered(delivery, self._owner, self._clock(), reason)

    @asynccontextmanager
    async def _lease(self, delivery: Delivery) -> AsyncIterator[None]:
        """Keep extending the delivery's lease while the block runs."""

        async def extend() -> None:
            while True:
                await asyncio.sleep(LEASE.total_seconds() / 3)
                with suppress(StoreUnavailable):
                    await self._store.deliveries.extend(delivery.id, self._owner, self._clock() + LEASE)

        extending = asyncio.create_task(extend())
        try:
            yield
        finally:
            extending.cancel()
