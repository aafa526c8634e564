"""Decide whether a channel may show an age-restricted result, and find messages that no longer fit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from discord.utils import snowflake_time

from bot.delivery.cleanup import delete_all, known_messages
from bot.delivery.posting import Poster, Unreachable
from bot.domain.results.deliveries import Delivery, MessageRef, Route
from bot.domain.results.showing import is_age_restricted, runs_to_show
from bot.store.deliveries import DeliveryStore
from bot.ui.message_parts import OutgoingMessage


class AgeRestriction:
    """Compares an age-restricted result with the channel that is to show it.

    A channel's age restriction can change between a crash and the next attempt, so messages of both forms are
    looked for: the result, and the note that it is withheld. Methods raise OutcomeUnknown if Discord doesn't
    answer.
    """

    def __init__(self, deliveries: DeliveryStore, poster: Poster) -> None:
        self._deliveries = deliveries
        self._poster = poster

    async def withholds(self, route: Route, delivery: Delivery) -> bool:
        """Return whether the result is age-restricted and may not be shown on this route.

        A channel shows it only if the channel is age-restricted now. A user install's channel can't be read,
        so the check at the time of the request has to suffice. A direct message shows it only if it is
        age-restricted merely by the channel of its request.
        """
        run = delivery.run
        if not is_age_restricted(run) or not runs_to_show(delivery):
            return False
        if route is Route.DIRECT_MESSAGE:
            return run.age_restricted
        if run.user_install:
            return False
        try:
            return not await self._poster.is_age_restricted(run.channel_id)
        except Unreachable:
            return run.age_restricted

    async def unfit_messages(
        self, delivery: Delivery, note: OutgoingMessage, *, withheld: bool
    ) -> Sequence[MessageRef]:
        """Return the stored messages of a delivery if the channel may no longer show them, or else none.

        If the result is `withheld`, only `note` may stay. First delete what an interrupted attempt posted and
        didn't store.
        """
        await self._delete_other_form(delivery, note, withheld=withheld)
        if not delivery.messages:
            return ()
        (channel_id, last), found = delivery.messages[-1], None
        with suppress(Unreachable):
            found = await self._poster.find(channel_id, delivery.run.key, note, snowflake_time(last))
        return () if (found == last) is withheld else delivery.messages

    async def _delete_other_form(self, delivery: Delivery, note: OutgoingMessage, *, withheld: bool) -> None:
        """Delete what an interrupted attempt posted before the channel's age restriction changed.

        If the result is `withheld` now, delete the result. Otherwise, delete the `note` that replaced it.
        """
        since, channel_id, key = delivery.attempted_at, delivery.destination, delivery.run.key
        shown = [run.key for run in runs_to_show(delivery)]
        if not delivery.attempted or since is None or not shown:
            return
        keys = [run.key for run in delivery.batch]
        ignore = await known_messages(self._deliveries, [*keys, delivery.run.request_key])
        ignore += [run.status_message_id or 0 for run in delivery.batch]
        with suppress(Unreachable):
            found = await self._poster.find(channel_id, key, note, since, ignore=ignore)
            notes = [found] if found is not None else []
            results: list[int] = []
            for each in {key, *shown} if withheld else ():
                seen = [*ignore, *notes, *results]
                results += await self._poster.find_about(channel_id, each, since, ignore=seen)
            obsolete = results if withheld else notes
            await delete_all(self._poster, [MessageRef(channel_id, each) for each in obsolete])
