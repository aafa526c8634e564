"""Choose the first route to try for an outcome."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.results.deliveries import Delivery, Route
from bot.domain.runs import Run, RunState
from bot.domain.transitions import is_told_elsewhere

_WATCHED = timedelta(minutes=2)


def first_route(delivery: Delivery, now: datetime) -> Route:
    """Return the route already in use or, if there is none, the first route that applies."""
    if delivery.attempted or delivery.messages:
        return Route(delivery.route)
    if delivery.run.needs_interaction:
        return max(Route(delivery.route), Route.INTERACTION)
    is_watched = all(_is_watched(run, now) for run in delivery.batch)
    return max(Route(delivery.route), Route.IN_PLACE if is_watched else Route.CHANNEL)


def _is_watched(run: Run, now: datetime) -> bool:
    """Return whether editing the status message is enough, so that no new message has to ping the requester.

    This is the case if the run was refused and the request is less than two minutes old, or if the requester
    cancelled the run and it has no result. It is also the case if another request's outcome reports its end.
    """
    if is_told_elsewhere(run):
        return True
    if run.state is RunState.REFUSED:
        return now - run.created_at < _WATCHED
    by_requester = run.state is RunState.CANCELLED and run.failure_code == "cancelled_by_requester"
    return by_requester and not run.partial
