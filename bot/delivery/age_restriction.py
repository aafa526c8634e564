"""Decide whether a channel may show an age-restricted result, by deployments and channels as they are now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.discord_api.calls import DiscordCalls, Unreachable
from bot.domain.messages.records import OUTCOMES, Claim, Place
from bot.domain.requests import ChannelState
from bot.domain.results.showing import AgeMark, is_marked_now, is_restricted_now
from bot.domain.runs import Run


@dataclass(frozen=True, slots=True)
class Decision:
    """What one attempt may show: decided once, so that every place follows the same marks.

    `marked` is `is_marked_now`. `closed` means that the channel may not show the result.
    """

    marked: bool = False
    closed: bool = False

    def withholds(self, place: Place) -> bool:
        """Return whether the result may not be shown at a place."""
        return self.marked if place is Place.DIRECT else self.closed


class AgeRestriction:
    """Applies the rule about age restriction to what is posted. Methods raise Unanswered."""

    def __init__(self, discord: DiscordCalls, marks: Callable[[Run], Sequence[AgeMark]]) -> None:
        self._discord = discord
        self._marks = marks

    def is_marked(self, run: Run) -> bool:
        return is_marked_now(run, self._marks(run))

    async def decide(self, claim: Claim) -> Decision:
        """Decide where an outcome may show its result.

        A channel shows an age-restricted one only if the channel is age-restricted now. A user install's
        channel can't be read, so its mark at the time of the request has to suffice.
        """
        run = claim.run
        deployments = self._marks(run)
        shows = claim.message.kind in OUTCOMES and claim.shown
        if not shows or not is_restricted_now(run, deployments):
            return Decision()
        marked = is_marked_now(run, deployments)
        if run.user_install:
            return Decision(marked=marked, closed=not run.channel_age_restricted)
        try:
            closed = not await self._discord.is_age_restricted(run.channel_id)
        except Unreachable:
            closed = marked
        return Decision(marked=marked, closed=closed)

    async def hides(self, run: Run, channel_id: int) -> bool:
        """Return whether a channel, which may be another than that of the request, may not show a result.

        If the channel of the request is gone or closed to the bot, what was stored with the run decides.
        Raises Unreachable if `channel_id` is.
        """
        if channel_id == run.channel_id and not is_restricted_now(run, self._marks(run)):
            return False
        return not await self._discord.is_age_restricted(channel_id) and await self.applies(run)

    async def applies(self, run: Run) -> bool:
        """Return whether a result may be shown only in age-restricted channels."""
        deployments = self._marks(run)
        if is_restricted_now(run, deployments):
            return True
        with suppress(Unreachable):
            marked = await self._discord.is_age_restricted(run.channel_id)
            return is_restricted_now(run, deployments, ChannelState(age_restricted=marked))
        return False
