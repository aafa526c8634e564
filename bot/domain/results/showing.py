"""Decide where a result may be shown, whether it is a spoiler, and what `/queue` shows to whom."""

from __future__ import annotations

from bot.domain.access import OperatorRules, check_availability, check_not_blocked, check_pause
from bot.domain.budgets import Usage
from bot.domain.errors import RefusedError
from bot.domain.requests import ChannelState, Origin, Requester
from bot.domain.results.deliveries import Delivery
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


def is_age_restricted(run: Run, channel: ChannelState | None = None) -> bool:
    """Return whether an existing result may be shown only in age-restricted channels.

    This is the case if the run is age-restricted, or if the channel of its request was at that time.
    `channel` is that channel as it is now, if it can be read; if it is age-restricted, so is the result.
    """
    now = channel is not None and channel.age_restricted
    return run.age_restricted or run.channel_age_restricted or now


def is_age_restricted_now(run: Run, requester: Requester) -> bool:
    """Return `is_age_restricted` with the channel of the request as the requester's server has it now."""
    return is_age_restricted(run, requester.channel_state(run.channel_id))


def check_age(run: Run, requester: Requester, *, restricted: bool = False) -> None:
    """Raise RefusedError if an existing result is age-restricted and the channel of this interaction isn't.

    `restricted` says whether the result's deployment is age-restricted now.
    """
    if (restricted or is_age_restricted_now(run, requester)) and not requester.origin.age_restricted:
        raise RefusedError("result_age")


def check_posting(origin: Origin, usage: Usage, operator: OperatorRules) -> None:
    """Raise RefusedError if an existing result must not be posted at `origin`.

    This is the case if the operator doesn't offer the bot in this server or conversation, if the user is
    blocked, or if the bot is paused. Direct messages remain allowed even if the operator no longer accepts
    requests in them.
    """
    check_availability(origin.guild_id, operator, user_install=origin.user_install)
    check_not_blocked(usage)
    check_pause(usage)


def runs_to_show(delivery: Delivery) -> list[Run]:
    """Return the runs whose outputs this delivery posts.

    A run in `late` is left out, because its success has a delivery of its own. So is a deleted result, unless
    it is the only one. That one is posted to the end, which also stores the ids of messages that an
    interrupted attempt has left. The removal waits for this, and then deletes all of them.
    """
    return [
        run
        for run in delivery.batch
        if run.has_result
        and run.key not in delivery.late
        and (run.deleted_at is None or len(delivery.batch) == 1)
    ]


def is_named_in_queue(run: Run, viewer_id: int) -> bool:
    """Return whether `/queue` shows a request's user and deployment to this viewer.

    Of other users' private requests, it shows only the state, the time and the queue position.
    """
    return not run.private or run.requester_id == viewer_id


def shows_prompt_in_queue(run: Run, viewer_id: int) -> bool:
    """Return whether `/queue` shows a request's prompt to this viewer."""
    return run.requester_id == viewer_id
