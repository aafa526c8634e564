"""Post copies of results: a single result of a batch, or a share in the server's gallery channel.

If a copy can't be posted, the bot deletes any part of it that was already posted. It tells the requester why
in a direct message or, if that fails, in the channel of the result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bot.delivery.age_restriction import AgeRestriction
from bot.delivery.cleanup import delete_all, known_messages
from bot.delivery.posting import NotYet, Poster, Unreachable
from bot.delivery.retries import Form
from bot.delivery.routes import Router
from bot.domain.errors import MediaGone
from bot.domain.results.deliveries import OUTCOME_PURPOSES, Delivery, MessageRef, Purpose, Route
from bot.domain.results.showing import is_spoiler
from bot.domain.runs import Run
from bot.domain.text import message_url
from bot.store import Store
from bot.store.deliveries import DeliveryStore
from bot.ui.message_parts import OutgoingMessage, PreparedOutputs
from bot.ui.shares import copy_failed_message, share_messages

log = logging.getLogger(__name__)
# A delivery on one of these routes no longer posts the copy; it tells the requester that the copy failed.
_FAILURE_ROUTES = (Route.DIRECT_MESSAGE, Route.UNDELIVERED)


class CopySender:
    """Posts copies, and tells requesters about copies that can't be posted.

    Methods raise OutcomeUnknown, Superseded, MediaError or BackendError if the courier should try again.
    """

    def __init__(
        self,
        store: Store,
        poster: Poster,
        router: Router,
        age_restriction: AgeRestriction,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._age_restriction = age_restriction
        self._poster = poster
        self._router = router
        self._clock = clock

    async def send(self, delivery: Delivery, folder: Path, form: Form) -> str | None:
        """Post the copy and return None. If it can't be posted, tell the requester why, and return the code
        of that sentence.

        Nothing is posted if the copy was deleted, alone or with its result. Messages from an interrupted
        attempt are then looked up and stored, so that the removal deletes them.
        """
        failed = delivery.route in _FAILURE_ROUTES
        if delivery.run.deleted_at is not None or delivery.deleted_by is not None:
            lost = await self._find_lost(delivery)
            if lost:
                await self._store.deliveries.mark_sent(delivery, [*delivery.messages, *lost])
            return "copy_failed" if failed else None
        if not delivery.all_sent:
            reason = await self._post(delivery, folder, form, failed=failed)
            if reason is not None:
                await self.tell(delivery, reason)
                return reason
        if failed:
            return "copy_failed"
        sent = await self._store.deliveries.sent(delivery.run.key, delivery.purpose)
        await delete_all(self._poster, sent.earlier)
        return None

    async def tell(self, delivery: Delivery, reason: str) -> None:
        """Delete any posted part of the copy, and tell the requester why it failed, if a route is left.

        `reason` is the code of the sentence that tells them.
        """
        run = delivery.run
        if delivery.route not in _FAILURE_ROUTES:
            delivery = await self._withdraw(delivery)
        log.warning("did not post the copy of run %s: %s", run.key, reason)
        result = await result_message(self._store.deliveries, run)
        message = copy_failed_message(run, reason, message_url(run.guild_id, *result) if result else None)
        for route in _FAILURE_ROUTES:
            if delivery.attempted and delivery.route > route:
                continue  # an earlier try found this route closed
            try:
                channel_id = run.channel_id
                if route is Route.DIRECT_MESSAGE:
                    channel_id = await self._poster.direct_channel(run.requester_id)
                sent = [OutgoingMessage()] * len(delivery.messages)
                return await self._router.post(delivery, route, channel_id, [*sent, message])
            except Unreachable as error:
                log.info("can't reach the requester of run %s by this route: %s", run.key, error)
                delivery = await self._router.forget_attempt(delivery)
        return None

    async def _post(self, delivery: Delivery, folder: Path, form: Form, *, failed: bool) -> str | None:
        """Post the copy. Return None, or the code of the sentence that says why it can't be posted.

        If the copy has already `failed`, post nothing and return the reason, because the requester may have
        been told.
        """
        try:
            run = await self._as_shown(delivery)
            if isinstance(run, str):
                return run
            if failed:
                return "copy_failed"
            await self._router.post_copy(replace(delivery, run=run, batch=(run,)), folder, form)
        except MediaGone:
            return "copy_file_gone"
        except Unreachable as error:
            log.info("can't post a copy of run %s in its channel: %s", delivery.run.key, error)
            return "share_closed" if delivery.purpose is Purpose.SHARE else "post_closed"
        return None

    async def _as_shown(self, delivery: Delivery) -> Run | str:
        """Return the run as the copy shows it, or the code of the sentence that says why it may not be shown.

        Blocks, the server's rules and age restrictions may have changed since the request, so they are
        checked again.
        """
        run = replace(delivery.run, index=0, count=1)
        if await self._store.copies.is_blocked(run, self._clock()):
            return "copy_blocked"
        if delivery.purpose is Purpose.SINGLE:
            return "post_age" if await self._age_restriction.hides(run, delivery.destination) else run
        rules = await self._store.rules.get(run.guild_id)
        if rules.gallery_channel_id != delivery.shared_to:
            return "share_moved"
        restricted = await self._poster.is_age_restricted(delivery.destination)
        if not restricted and await self._age_restriction.applies(run):
            return "share_age"
        prompt = run.prompt if delivery.with_prompt else None
        return replace(run, prompt=prompt, spoiler=is_spoiler(rules, age_restricted=restricted))

    async def _withdraw(self, delivery: Delivery) -> Delivery:
        """Delete the messages of a copy that failed, and return the delivery without them.

        This includes the messages of an earlier copy, which may be in another channel, and a notice about an
        earlier failure. Direct messages about earlier failures stay, unless Discord doesn't open the channel
        of the direct messages.
        """
        delivery = await self._router.withdraw(delivery, await self._find_lost(delivery))
        withdrawn, direct = delivery.earlier, None
        if any(message.channel_id != delivery.destination for message in withdrawn):
            with suppress(Unreachable):
                direct = await self._poster.direct_channel(delivery.run.requester_id)
        await delete_all(self._poster, (each for each in withdrawn if each.channel_id != direct))
        return delivery

    async def _find_lost(self, delivery: Delivery) -> list[MessageRef]:
        """Return the messages that an interrupted attempt posted.

        Raises NotYet while the result itself is still being posted. The messages of the result have the same
        files and buttons as the copy, so they must all be known before the search.
        """
        run, since = delivery.run, delivery.attempted_at
        if not delivery.attempted or since is None or delivery.route != Route.CHANNEL:
            return []
        for key in {run.key, run.request_key}:
            if await self._store.deliveries.is_pending(key, OUTCOME_PURPOSES):
                raise NotYet("the result is still being posted")
        ignore = await known_messages(self._store.deliveries, (run.key, run.request_key))
        with suppress(Unreachable):
            found = await self._poster.find_about(delivery.destination, run.key, since, ignore=ignore)
            return [MessageRef(delivery.destination, message_id) for message_id in found]
        return []


async def share_copy(
    store: Store, delivery: Delivery, prepared: PreparedOutputs, title: str
) -> list[OutgoingMessage]:
    """Build the messages of a share, with a link to the original if its message is known."""
    run = delivery.run
    original = await result_message(store.deliveries, run)
    link = message_url(run.guild_id, *original) if original else None
    return share_messages(run, title, prepared, link)


async def result_message(deliveries: DeliveryStore, run: Run) -> MessageRef | None:
    """Return the first message that shows a run's result, alone or with its batch, or None."""
    for key, purpose in ((run.key, Purpose.LATE), (run.request_key, Purpose.OUTCOME)):
        messages = (await deliveries.sent(key, purpose)).everywhere
        if messages:
            return messages[0]
    return None
