"""Decide whether a channel may show an age-restricted result, by deployments and channels as they are now.

Functions that ask Discord raise Unanswered.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from bot.context import App
from bot.discord_api.calls import Unreachable
from bot.domain.messages.records import OUTCOMES, Claim, Place
from bot.domain.requests import ChannelState
from bot.domain.results import is_marked_now, is_restricted_now
from bot.domain.runs import Run


async def withheld_at(app: App, claim: Claim) -> Collection[Place]:
    """Return the places that may not show the result of an outcome, decided once for all of them.

    A channel shows an age-restricted result only if the channel is age-restricted now. A user install's
    channel can't be read, so its mark at the time of the request has to suffice.
    """
    if claim.message.kind not in OUTCOMES or not claim.shown:
        return ()
    run = claim.run
    deployments = app.catalogue.age_marks(run)
    if not is_restricted_now(run, deployments):
        return ()
    marked = is_marked_now(run, deployments)
    if run.user_install:
        closed = not run.channel_age_restricted
    else:
        try:
            closed = not await app.discord.is_age_restricted(run.channel_id)
        except Unreachable:
            closed = marked
    return [place for place in Place if (marked if place is Place.DIRECT else closed)]


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
