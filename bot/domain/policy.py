"""Whether a request may run, and on which terms. Pure: (request, person, usage, rules) -> a decision.

The operator's limits stand above every server's own rules. Evaluated inside the transaction that stores
the request, so that two requests can't both take the last of a budget.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.budgets import EXPECTED_SECONDS, Limits, Spending, Usage, limits_of, reserve
from bot.domain.errors import RefusedError
from bot.domain.requests import GenerationRequest, Member, Origin
from bot.domain.rules import ApprovalMode, RolesFor, ServerRules, Spoiler
from bot.domain.text import escape_line

_REASON = 500
# Refusals that a smaller number would not meet; each has a sentence for several, named with `_count`.
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
    """The request may run, after an approval where `review_channel_id` is set. The terms go into its row."""

    limits: Limits = field(default_factory=Limits)
    weight: float = 1.0
    reserved_seconds: float = EXPECTED_SECONDS
    spoiler: bool = False
    review_channel_id: int | None = None
    approval_ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The request may not run; `reason` carries the sentence."""

    reason: RefusedError


Decision = Allowed | Refused


def decide(
    request: GenerationRequest, person: Member, usage: Usage, operator: OperatorRules, rules: ServerRules
) -> Decision:
    """The first rule that forbids the request, or the terms on which it runs."""
    try:
        _operator(request, usage, operator)
        check_age(request.origin, restricted=request.age_restricted)
        if request.origin.guild_id is not None:
            _person(person, usage, rules)
            _roles(request, person, rules)
        limits = limits_of(person, rules)
        weight, reserved = reserve(request.gpu, rules)
        _budget(usage, limits, reserved, rules)
        in_review = _in_review(request, person, rules)
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


def for_several(reason: RefusedError, possible: int, count: int) -> RefusedError:
    """Why several are refused of which the first `possible` would have found room: the sentence says so."""
    if not possible or reason.code not in LIMITS:
        return reason
    params = reason.params | {"possible": possible, "count": count}
    return RefusedError(f"{reason.code}_count", str(reason), **params)


def _in_review(request: GenerationRequest, person: Member, rules: ServerRules) -> bool:
    """Whether it waits for a moderator. Without a review channel nobody would ever decide about it."""
    if request.origin.guild_id is None or not needs_approval(request, person, rules):
        return False
    if rules.approval.review_channel_id is None:
        raise RefusedError("review_unreachable")
    return True


def needs_approval(request: GenerationRequest, person: Member, rules: ServerRules) -> bool:
    """Whether a moderator has to agree."""
    approval = rules.approval
    if approval.mode is ApprovalMode.WITHOUT_ROLES:
        return not person.role_ids & approval.exempt_roles
    if approval.mode is ApprovalMode.SELECTED:
        return request.deployment in approval.deployments or request.gpu in approval.gpus
    return approval.mode is ApprovalMode.EVERYBODY


def is_spoiler(rules: ServerRules, *, age_restricted: bool) -> bool:
    """Whether a result in such a channel hides behind a click."""
    if rules.spoiler is Spoiler.NOT_AGE_RESTRICTED:
        return not age_restricted
    return rules.spoiler is Spoiler.ALWAYS


def check_age(origin: Origin, *, restricted: bool) -> None:
    """What the operator marked age-restricted belongs where Discord marks it so. Raises RefusedError."""
    if restricted and not origin.age_restricted:
        raise RefusedError("age_restricted")


def check_posting(origin: Origin, usage: Usage, operator: OperatorRules) -> None:
    """Whether a result that is paid for may be posted here now. Raises RefusedError.

    Where it was asked for directly it is still its requester's, also when nothing new may be.
    """
    _open_to_us(origin, usage, operator)
    _unblocked(usage)


def _operator(request: GenerationRequest, usage: Usage, operator: OperatorRules) -> None:
    guild_id = request.origin.guild_id
    _open_to_us(request.origin, usage, operator)
    # Whoever added the bot to their account may also write to it directly.
    if guild_id is None and not (operator.allow_direct_messages or operator.allow_user_installs):
        raise RefusedError("direct_messages_off")
    ceiling = operator.daily_gpu_seconds
    if ceiling is not None and usage.gpu_seconds_today + request.expected_seconds > ceiling:
        raise RefusedError("daily_limit", until=_stamp(usage.day_end))


def _open_to_us(origin: Origin, usage: Usage, operator: OperatorRules) -> None:
    if usage.paused is not None:
        raise RefusedError("paused", reason=usage.paused)
    if origin.user_install and not operator.allow_user_installs:
        raise RefusedError("user_installs_off")
    allowed = operator.allowed_guild_ids
    if origin.guild_id is not None and allowed is not None and origin.guild_id not in allowed:
        raise RefusedError("guild_not_allowed")


def _unblocked(usage: Usage) -> None:
    if usage.block is not None:
        until = usage.block.until
        code = "blocked_until" if until else "blocked"
        raise RefusedError(
            code, reason=escape_line(usage.block.reason or "-", _REASON), until=_stamp(until) if until else 0
        )


def _person(person: Member, usage: Usage, rules: ServerRules) -> None:
    _unblocked(usage)
    if person.is_moderator(rules):
        return
    account = person.created_at + timedelta(days=rules.people.account_days)
    if account > usage.now:
        raise RefusedError("account_too_young", days=rules.people.account_days, until=_stamp(account))
    joined = (person.joined_at or usage.now) + timedelta(days=rules.people.member_days)
    if joined > usage.now:
        raise RefusedError("member_too_young", days=rules.people.member_days, until=_stamp(joined))


def _roles(request: GenerationRequest, person: Member, rules: ServerRules) -> None:
    if not _may(person, rules.deployment_roles, request.deployment):
        raise _without_role("deployment_role", person, rules.deployment_roles)
    if request.gpu is not None and not _may(person, rules.gpu_roles, request.gpu):
        raise _without_role("gpu_role", person, rules.gpu_roles, gpu=request.gpu)


def _may(person: Member, roles_for: RolesFor, name: str) -> bool:
    # An empty set is nobody: the last of its roles was deleted, which must not open it to everybody.
    roles = roles_for.get(name)
    return roles is None or bool(roles & person.role_ids)


def _without_role(code: str, person: Member, roles_for: RolesFor, **params: str) -> RefusedError:
    """Names those of the restricted ones that the person may use."""
    allowed = ", ".join(name for name, roles in roles_for.items() if roles & person.role_ids)
    if not allowed:
        return RefusedError(f"{code}_none", **params)
    return RefusedError(code, allowed=allowed, **params)


def _budget(usage: Usage, limits: Limits, reserved: float, rules: ServerRules) -> None:
    until = _stamp(usage.day_end)
    _within("budget", usage.person, limits, reserved, until)
    server = rules.budgets.server
    own = Limits(
        at_once=server.at_once,
        waiting=server.waiting,
        runs_a_day=server.runs_a_day,
        gpu_seconds_a_day=server.gpu_seconds_a_day,
    )
    _within("server_budget", usage.server, own, reserved, until)


def _within(prefix: str, spent: Spending, limits: Limits, reserved: float, until: int) -> None:
    if limits.waiting is not None and spent.waiting >= limits.waiting:
        raise RefusedError(f"{prefix}_waiting", limit=limits.waiting)
    if limits.runs_a_day is not None and spent.runs >= limits.runs_a_day:
        raise RefusedError(f"{prefix}_runs", limit=limits.runs_a_day, until=until)
    ceiling = limits.gpu_seconds_a_day
    if ceiling is not None and spent.gpu_seconds + reserved > ceiling:
        left = max(0, int(ceiling - spent.gpu_seconds))
        raise RefusedError(f"{prefix}_gpu", limit=ceiling, left=left, needed=int(reserved), until=until)


def _stamp(moment: datetime) -> int:
    return int(moment.timestamp())
