"""Decide where a result may be shown, whether it is a spoiler, and what `/queue` shows to whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from bot.domain.access import OperatorRules, check_availability, check_not_blocked, check_pause
from bot.domain.budgets import Usage
from bot.domain.errors import RefusedError
from bot.domain.requests import ChannelState, Origin
from bot.domain.runs import Run
from bot.domain.settings.rules_and_defaults import ServerRules, Spoiler


def check_channel(channel: ChannelState, *, restricted: bool = False) -> None:
    """Raise RefusedError if a result can't be shown in the channel.

    `restricted` says whether the result is age-restricted.
    """
    if not channel.exists:
        raise RefusedError("channel_gone")
    if channel.locked:
        raise RefusedError("thread_locked")
    if channel.missing:
        raise RefusedError("missing_permissions", missing=", ".join(channel.missing))
    if restricted and not channel.age_restricted:
        raise RefusedError("age_restricted")


def is_spoiler(rules: ServerRules, *, age_restricted: bool) -> bool:
    """Return whether a result is a spoiler. `age_restricted` says whether its channel is age-restricted."""
    if rules.spoiler is Spoiler.NOT_AGE_RESTRICTED:
        return not age_restricted
    return rules.spoiler is Spoiler.ALWAYS


class AgeMark(Protocol):
    """A deployment or a channel, as it is marked now."""

    @property
    def age_restricted(self) -> bool: ...


def is_restricted_now(run: Run, deployments: Iterable[AgeMark], channel: AgeMark | None = None) -> bool:
    """Return whether a stored request's result may be shown only in age-restricted channels.

    `deployments` are the run's own one and those that made its files, as the operator marks them now.
    `channel` is the channel of the request as it is now, or None if it can't be read. Marks from the time of
    the request still count after they were removed.
    """
    now = channel is not None and channel.age_restricted
    return is_marked_now(run, deployments) or run.channel_age_restricted or now


def is_marked_now(run: Run, deployments: Iterable[AgeMark]) -> bool:
    """Return whether the result is age-restricted whatever channel it was requested in.

    Such a result isn't sent as a direct message either.
    """
    return run.age_restricted or any(each.age_restricted for each in deployments)


def check_posting(origin: Origin, usage: Usage, operator: OperatorRules) -> None:
    """Raise RefusedError if an existing result must not be posted at `origin`.

    This is the case if the operator doesn't offer the bot in this server or conversation, if the user is
    blocked, or if the bot is paused. Direct messages remain allowed even if the operator no longer accepts
    requests in them.
    """
    check_availability(origin.guild_id, operator, user_install=origin.user_install)
    check_not_blocked(usage)
    check_pause(usage)


def is_named_in_queue(run: Run, viewer_id: int) -> bool:
    """Return whether `/queue` shows a request's user and deployment to this viewer.

    Of other users' private requests, it shows only the state, the time and the queue position.
    """
    return not run.private or run.requester_id == viewer_id


def shows_prompt_in_queue(run: Run, viewer_id: int) -> bool:
    """Return whether `/queue` shows a request's prompt to this viewer."""
    return run.requester_id == viewer_id
