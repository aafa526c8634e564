"""Decide whether a channel may show an age-restricted result, and find messages that no longer fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from discord.utils import snowflake_time

from bot.delivery.cleanup import delete_all, known_messages
from bot.delivery.posting import Poster, Unreachable
from bot.domain.requests import ChannelState
from bot.domain.results.deliveries import Delivery, MessageRef, Route
from bot.domain.results.showing import AgeMark, is_marked_now, is_restricted_now, runs_to_show
from bot.domain.runs import Run
from bot.store.deliveries import DeliveryStore
from bot.ui.message_parts import OutgoingMessage


@dataclass(frozen=True, slots=True)
class Decision:
    """What one attempt at a delivery may show: decided once, so that every route follows the same marks.

    `restricted` and `marked` are `is_restricted_now` and `is_marked_now`. `closed` means that the channel of
    the delivery may not show the result.
    """

    restricted: bool = False
    marked: bool = False
    closed: bool = False

    def withholds(self, route: Route) -> bool:
        """Return whether the result may not be shown on a route."""
        return self.marked if route is Route.DIRECT_MESSAGE else self.closed


class AgeRestriction:
    """Applies the rule about age restriction to what is posted, by deployments and channels as they are now.

    A mark can change between a crash and the next attempt, so messages of both forms are looked for: the
    result, and the note that it is withheld. Methods raise OutcomeUnknown if Discord doesn't answer.
    """

    def __init__(
        self, deliveries: DeliveryStore, poster: Poster, marks: Callable[[Run], Sequence[AgeMark]]
    ) -> None:
        self._deliveries = deliveries
        self._poster = poster
        self._marks = marks

    async def decide(self, delivery: Delivery) -> Decision:
        """Decide where an outcome may show its result.

        A channel shows an age-restricted one only if the channel is age-restricted now. A user install's
        channel can't be read, so its mark at the time of the request has to suffice.
        """
        run = delivery.run
        deployments = self._marks(run)
        if not is_restricted_now(run, deployments) or not runs_to_show(delivery):
            return Decision()
        marked = is_marked_now(run, deployments)
        if run.user_install:
            return Decision(restricted=True, marked=marked, closed=not run.channel_age_restricted)
        try:
            closed = not await self._poster.is_age_restricted(run.channel_id)
        except Unreachable:
            closed = marked
        return Decision(restricted=True, marked=marked, closed=closed)

    async def hides(self, run: Run, channel_id: int) -> bool:
        """Return whether a channel, which may be another than that of the request, may not show a result.

        If the channel of the request is gone or closed to the bot, what was stored with the run decides.
        Raises Unreachable if `channel_id` is.
        """
        if channel_id == run.channel_id and not is_restricted_now(run, self._marks(run)):
            return False
        return not await self._poster.is_age_restricted(channel_id) and await self.applies(run)

    async def applies(self, run: Run) -> bool:
        """Return whether a result may be shown only in age-restricted channels."""
        deployments = self._marks(run)
        if is_restricted_now(run, deployments):
            return True
        with suppress(Unreachable):
            marked = await self._poster.is_age_restricted(run.channel_id)
            return is_restricted_now(run, deployments, ChannelState(age_restricted=marked))
        return False

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
