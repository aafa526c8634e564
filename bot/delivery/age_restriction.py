"""Decide whether a channel may show an age-restricted result, by deployments and channels as they are now.

Functions that ask Discord raise Unanswered.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from bot.context import App
from bot.discord_api.errors import Unreachable
from bot.domain.messages.records import OUTCOMES, Claim, Place
from bot.domain.requests import ChannelState
from bot.domain.results import is_marked_now, is_restricted_now
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


async def decide(app: App, claim: Claim) -> Decision:
    """Decide where an outcome may show its result.

    A channel shows an age-restricted one only if the channel is age-restricted now. A user install's
    channel can't be read, so its mark at the time of the request has to suffice.
    """
    run = claim.run
    deployments = app.catalogue.age_marks(run)
    shows = claim.message.kind in OUTCOMES and claim.shown
    if not shows or not is_restricted_now(run, deployments):
        return Decision()
    marked = is_marked_now(run, deployments)
    if run.user_install:
        return Decision(marked=marked, closed=not run.channel_age_restricted)
    try:
        closed = not await app.discord.is_age_restricted(run.channel_id)
    except Unreachable:
        closed = marked
    return Decision(marked=marked, closed=closed)


async def hides(app: App, run: Run, channel_id: int | None) -> bool:
    """Return whether a channel, by default that of the request, may not show a result.

    If the channel is gone or closed to the bot, what was stored with the run decides.
    """
    with suppress(Unreachable):
        if await app.discord.is_age_restricted(channel_id or run.channel_id):
            return False
    return await applies(app, run)


async def applies(app: App, run: Run) -> bool:
    """Return whether a result may be shown only in age-restricted channels."""
    deployments = app.catalogue.age_marks(run)
    if is_restricted_now(run, deployments):
        return True
    with suppress(Unreachable):
        marked = await app.discord.is_age_restricted(run.channel_id)
        return is_restricted_now(run, deployments, ChannelState(age_restricted=marked))
    return False
