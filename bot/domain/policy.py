"""Decide whether a request may run and on which terms. Pure.

The operator's limits take precedence over every server's own rules. The store calls `decide` inside the
transaction that stores the request, so that two requests can't both take the last of a budget.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.budgets import EXPECTED_SECONDS, Limits, Spending, Usage, limits_of, reserve
from bot.domain.errors import RefusedError
from bot.domain.requests import GenerationRequest, Member, Origin, Requester
from bot.domain.rules import ApprovalMode, RolesFor, ServerRules, Spoiler
from bot.domain.text import escape_line

_REASON = 500
# Refusals that a smaller batch may avoid. Each also has a sentence for batches, with the code suffix
# `_count`.
LIMITS = frozenset(
    {"daily_limit"}
    | {f"{whose}_{what}" for whose in ("budget", "server_budget") for what in ("waiting", "runs", "gpu")}
)


@dataclass(frozen=True, slots=True)
class OperatorRules:
    """The operator's limits. None means no limit."""

    allowed_guild_ids: frozenset[int] | None = None
    allow_direct_messages: bool = False
    allow_user_installs: bool = False
    daily_gpu_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The request may run on these terms, after approval if `review_channel_id` is set."""

    limits: Limits = field(default_factory=Limits)
    weight: float = 1.0
    reserved_seconds: float = EXPECTED_SECONDS
    spoiler: bool = False
    review_channel_id: int | None = None
    approval_ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The request may not run; `reason` holds the sentence for the user."""

    reason: RefusedError


Decision = Allowed | Refused


def decide(
    request: GenerationRequest,
    requester: Requester,
    usage: Usage,
    operator: OperatorRules,
    rules: ServerRules,
) -> Decision:
    """Return the terms on which the request runs, or the refusal of the first rule that forbids it."""
    person = requester.person
    try:
        _check_operator(request, usage, operator)
        check_age(request.origin, restricted=request.age_restricted)
        if request.origin.guild_id is not None:
            _check_person(person, usage, rules)
            _check_roles(request, person, rules)
        limits = limits_of(person, rules)
        weight, reserved = reserve(request.gpu, rules)
        _check_budgets(usage, limits, reserved, rules)
        in_review = _in_review(request, requester, rules)
    except RefusedError as reason:
        return Refused(reason)
    return Allowed(
        limits=limits,
        weight=weight,
        reserved_seconds=reserved,
        spoiler=is_spoiler(rules, age_restricted=request.origin.age_restricted),
        review_channel_id=rules.approval.review_channel_id if in_review else None,
        approval_ends=usage.now + timedelta(hours=rules.approval.hours) if in_review else None,
    )


def for_batch(reason: RefusedError, possible: int, count: int) -> RefusedError:
    """Return the refusal of a batch of `count`, which says how many runs (`possible`) would be accepted."""
    if not possible or reason.code not in LIMITS:
        return reason
    params = reason.params | {"possible": possible, "count": count}
    return RefusedError(f"{reason.code}_count", str(reason), **params)


def _in_review(request: GenerationRequest, requester: Requester, rules: ServerRules) -> bool:
    """Return whether the request waits for a moderator. Raises RefusedError if its card can't be posted."""
    if request.origin.guild_id is None or not needs_approval(request, requester.person, rules):
        return False
    channel_id = rules.approval.review_channel_id
    if channel_id is None or not requester.can_post(channel_id):
        raise RefusedError("review_unreachable")
    return True


def needs_approval(request: GenerationRequest, person: Member, rules: ServerRules) -> bool:
    """Return whether a moderator has to approve the request."""
    approval = rules.approval
    if approval.mode is ApprovalMode.WITHOUT_ROLES:
        return not person.role_ids & approval.exempt_roles
    if approval.mode is ApprovalMode.SELECTED:
        return request.deployment in approval.deployments or request.gpu in approval.gpus
    return approval.mode is ApprovalMode.EVERYBODY


def is_spoiler(rules: ServerRules, *, age_restricted: bool) -> bool:
    """Return whether the rules hide a result behind a click, given the age restriction of its channel."""
    if rules.spoiler is Spoiler.NOT_AGE_RESTRICTED:
        return not age_restricted
    return rules.spoiler is Spoiler.ALWAYS


def check_age(origin: Origin, *, restricted: bool) -> None:
    """Refuse an age-restricted deployment outside age-restricted channels. Raises RefusedError."""
    if restricted and not origin.age_restricted:
        raise RefusedError("age_restricted")


def check_posting(origin: Origin, usage: Usage, operator: OperatorRules) -> None:
    """Refuse to post an undelivered result if no new request would be accepted here. Raises RefusedError.

    Posting in direct messages remains allowed even if the operator no longer accepts requests there.
    """
    _check_availability(origin, usage, operator)
    _check_not_blocked(usage)


def check_moderator(guild_id: int | None, person: Member, rules: ServerRules) -> int:
    """Return the server's id. Raises RefusedError outside servers and for members who aren't moderators."""
    if guild_id is None:
        raise RefusedError("server_only")
    if not person.is_moderator(rules):
        raise RefusedError("not_a_moderator")
    return guild_id


def _check_operator(request: GenerationRequest, usage: Usage, operator: OperatorRules) -> None:
    guild_id = request.origin.guild_id
    _check_availability(request.origin, usage, operator)
    # Users who added the bot to their account may also write to it directly.
    if guild_id is None and not (operator.allow_direct_messages or operator.allow_user_installs):
        raise RefusedError("direct_messages_off")
    ceiling = operator.daily_gpu_seconds
    if ceiling is not None and usage.gpu_seconds_today + request.expected_seconds > ceiling:
        raise RefusedError("daily_limit", until=_timestamp(usage.day_end))


def _check_availability(origin: Origin, usage: Usage, operator: OperatorRules) -> None:
    if usage.paused is not None:
        raise RefusedError("paused", reason=usage.paused)
    if origin.user_install and not operator.allow_user_installs:
        raise RefusedError("user_installs_off")
    allowed = operator.allowed_guild_ids
    if origin.guild_id is not None and allowed is not None and origin.guild_id not in allowed:
        raise RefusedError("guild_not_allowed")


def _check_not_blocked(usage: Usage) -> None:
    if usage.block is not None:
        until = usage.block.until
        code = "blocked_until" if until else "blocked"
        raise RefusedError(
            code,
            reason=escape_line(usage.block.reason or "-", _REASON),
            until=_timestamp(until) if until else 0,
        )


def _check_person(person: Member, usage: Usage, rules: ServerRules) -> None:
    _check_not_blocked(usage)
    if person.is_moderator(rules):
        return
    account = person.created_at + timedelta(days=rules.people.account_days)
    if account > usage.now:
        raise RefusedError("account_too_young", days=rules.people.account_days, until=_timestamp(account))
    joined = (person.joined_at or usage.now) + timedelta(days=rules.people.member_days)
    if joined > usage.now:
        raise RefusedError("member_too_young", days=rules.people.member_days, until=_timestamp(joined))


def _check_roles(request: GenerationRequest, person: Member, rules: ServerRules) -> None:
    if not _may(person, rules.deployment_roles, request.deployment):
        raise _without_role("deployment_role", person, rules.deployment_roles)
    if request.gpu is not None and not _may(person, rules.gpu_roles, request.gpu):
        raise _without_role("gpu_role", person, rules.gpu_roles, gpu=request.gpu)


def _may(person: Member, roles_for: RolesFor, name: str) -> bool:
    # An empty set permits nobody. The last role was deleted, which must not open the deployment to everybody.
    roles = roles_for.get(name)
    return roles is None or bool(roles & person.role_ids)


def _without_role(code: str, person: Member, roles_for: RolesFor, **params: str) -> RefusedError:
    """Return the refusal, which names the restricted deployments or GPUs that the member may use."""
    allowed = ", ".join(name for name, roles in roles_for.items() if roles & person.role_ids)
    if not allowed:
        return RefusedError(f"{code}_none", **params)
    return RefusedError(code, allowed=allowed, **params)


def _check_budgets(usage: Usage, limits: Limits, reserved: float, rules: ServerRules) -> None:
    until = _timestamp(usage.day_end)
    _check_budget("budget", usage.person, limits, reserved, until)
    server = rules.budgets.server
    own = Limits(
        at_once=server.at_once,
        waiting=server.waiting,
        runs_a_day=server.runs_a_day,
        gpu_seconds_a_day=server.gpu_seconds_a_day,
    )
    _check_budget("server_budget", usage.server, own, reserved, until)


def _check_budget(prefix: str, spent: Spending, limits: Limits, reserved: float, until: int) -> None:
    if limits.waiting is not None and spent.waiting >= limits.waiting:
        raise RefusedError(f"{prefix}_waiting", limit=limits.waiting)
    if limits.runs_a_day is not None and spent.runs >= limits.runs_a_day:
        raise RefusedError(f"{prefix}_runs", limit=limits.runs_a_day, until=until)
    ceiling = limits.gpu_seconds_a_day
    if ceiling is not None and spent.gpu_seconds + reserved > ceiling:
        remaining = max(0, int(ceiling - spent.gpu_seconds))
        raise RefusedError(f"{prefix}_gpu", limit=ceiling, left=remaining, needed=int(reserved), until=until)


def _timestamp(moment: datetime) -> int:
    return int(moment.timestamp())
