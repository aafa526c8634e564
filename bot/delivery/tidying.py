"""After an outcome is shown: what it makes untrue goes away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from bot.delivery.posting import Closed, Poster
from bot.domain.runs import Delivery, Purpose, Run, token_of
from bot.messages.buttons import Action
from bot.store import Store


class Tidying:
    """Removes the status message, a verdict that a late success disproved, and the part of a result that came
    before it was posted again. Raises Unclear."""

    def __init__(self, store: Store, poster: Poster, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._poster = poster
        self._clock = clock

    async def after(self, delivery: Delivery, *, in_place: bool) -> None:
        """`in_place`: the outcome stands in the status message itself."""
        told = await self._store.deliveries.told(delivery.run.key, delivery.purpose)
        await self._delete(told.earlier)
        if delivery.beside_others:
            return
        if not in_place:
            await self._remove_status(delivery)
        if delivery.purpose is Purpose.LATE:
            await self._remove_verdict(delivery.run)

    async def _remove_verdict(self, run: Run) -> None:
        """What the late success disproves, also where nobody learned whether it had been posted."""
        verdict = await self._store.deliveries.told(run.key, Purpose.OUTCOME)
        late = await self._store.deliveries.told(run.key, Purpose.LATE)
        shown = [message_id for _, message_id in late.messages]
        disproved = [place for place in verdict.everywhere if place[1] not in shown]
        if verdict.attempted_at is not None:
            with suppress(Closed):
                found = await self._poster.find(
                    run.channel_id, run.key, None, verdict.attempted_at, ignore=shown
                )
                disproved += [(run.channel_id, found)] if found is not None else []
        await self._delete(disproved)

    async def _delete(self, places: Sequence[tuple[int, int]]) -> None:
        for channel_id, message_id in places:
            with suppress(Closed):
                await self._poster.delete(channel_id, message_id)

    async def _is_shown_there(self, delivery: Delivery) -> bool:
        """Whether the answer holds the first part of an outcome whose rest went elsewhere."""
        told = await self._store.deliveries.told(delivery.run.key, delivery.purpose)
        return delivery.run.status_message_id in [message_id for _, message_id in told.messages]

    async def _remove_status(self, delivery: Delivery) -> None:
        run = delivery.run
        token = token_of(run, self._clock())
        if run.user_install and (token is None or await self._is_shown_there(delivery)):
            return
        if token is not None:
            with suppress(Closed):
                await self._poster.delete_original(run.application_id, token, run.status_message_id)
                return
        # The token has run out, by our clock or by Discord's.
        with suppress(Closed):
            status = run.status_message_id
            if status is None and delivery.purpose is Purpose.OUTCOME:
                # A crash came between the answer and the noting of its id.
                status = await self._poster.find_offering(
                    run.channel_id, run.key, Action.CANCEL, run.created_at
                )
            if status is not None:
                await self._poster.delete(run.channel_id, status)
