"""Choose the first route to try for an outcome.

The routes are the channel, with the bot's token; the command's own answer while its interaction lives (an
edit, so a retry can't post twice); a direct message; and undelivered.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntEnum

from bot.domain.runs import Delivery, Run, RunState
from bot.domain.transitions import is_told_elsewhere

_WATCHED = timedelta(minutes=2)


class Route(IntEnum):
    """The routes in the order they are tried. IN_PLACE edits a message that the requester is watching."""

    IN_PLACE = 0
    CHANNEL = 1
    INTERACTION = 2
    DIRECT_MESSAGE = 3
    UNDELIVERED = 4


def first_route(delivery: Delivery, now: datetime) -> Route:
    """Return the first route to try: the route already in use, or else the first that applies."""
    if delivery.attempted or delivery.messages:
        return Route(delivery.route)
    if delivery.run.needs_interaction:
        return max(Route(delivery.route), Route.INTERACTION)
    is_watched = all(_is_watched(run, now) for run in delivery.batch)
    return max(Route(delivery.route), Route.IN_PLACE if is_watched else Route.CHANNEL)


def _is_watched(run: Run, now: datetime) -> bool:
    """Return whether an edit of the requester's status message is enough, without a ping.

    This is the case if they have just sent the command or pressed Cancel, or if another message pings them.
    """
    if is_told_elsewhere(run):
        return True
    if run.state is RunState.REFUSED:
        return now - run.created_at < _WATCHED
    by_requester = run.state is RunState.CANCELLED and run.failure_code == "cancelled_by_requester"
    return by_requester and not run.partial
