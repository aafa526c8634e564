"""Decide who may use the bot, whether a run may start, and on which terms a request is accepted.

The store calls `judge` for a new request, for an approval by a moderator, and for a claim of a waiting run.
Each call is part of the transaction that acts on its result, so concurrent requests can't exceed a budget.
The operator's limits take precedence over the rules of servers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from bot.domain.errors import Param, RefusedError, RefusedForNow
from bot.domain.moderation import Block
from bot.domain.picture_check import Check, Flagged, Level
from bot.domain.requests import Actor, ChannelState, Member, Origin, Preset
from bot.domain.runs import Run, RunState
from bot.domain.settings.rules_and_defaults import ApprovalMode, RolesFor, ServerRules
from bot.domain.text import escape_line

# The reserved seconds of a run of a deployment that has no recent runs.
EXPECTED_SECONDS = 60.0
# How many failed runs of a person on a day don't count as runs. Their seconds always count.
GIVEN_BACK_A_DAY = 3
_REASON = 500
# The sums of fractions differ by this at most, as 0.1 + 0.2 and 0.3 do.
_ROUNDING = 1e-6
# The codes of refusals that a smaller batch may avoid. Each also has a sentence for batches, whose code has
# the suffix `_count`.
LIMITS = frozenset(
    {"daily_limit"}
    | {f"{whose}_{what}" for whose in ("budget", "server_budget") for what in ("waiting", "runs", "gpu")}
)


@dataclass(frozen=True, slots=True)
class OperatorRules:
    """The operator's limits. None means no limit.

    `flagged` is what at least happens to flagged pictures. With `holds_unknown`, so do those that couldn't be
    checked.
    """

    allowed_guild_ids: frozenset[int] | None = None
    allow_direct_messages: bool = False
    allow_user_installs: bool = False
    daily_gpu_seconds: float | None = None
    max_waiting_per_server: int | None = None
    flagged: Flagged = Flagged.OFF
    holds_unknown: bool = True


@dataclass(frozen=True, slots=True)
class Spending:
    """The usage that counts against a budget today.

    `gpu_seconds` are weighted and include reserved seconds.
    """

    runs: int = 0
    gpu_seconds: float = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The usage of a user and their server at the time `now`, with a block or a pause that forbids requests.

    `gpu_seconds_today` counts the whole bot's seconds, unweighted. `paused` is the reason for a pause of the
    bot, or None if it isn't paused.
    """

    now: datetime
    gpu_seconds_today: float = 0
    person: Spending = Spending()
    server: Spending = Spending()
    block: Block | None = None
    paused: str | None = None


def budget_day(now: datetime) -> date:
    """Return the day whose budgets count, in UTC."""
    return now.astimezone(UTC).date()


def day_end(now: datetime) -> datetime:
    """Return the next midnight UTC, at which the budgets are renewed."""
    return datetime.combine(budget_day(now) + timedelta(days=1), time(), UTC)


def until_tomorrow(code: str, usage: Usage, *, fits: bool, **params: Param) -> RefusedError:
    """Return the error for a run that exceeds what is left of a daily limit.

    If the run `fits` into the limit of a full day, it is refused only until midnight UTC, otherwise for good.
    """
    again_at = day_end(usage.now)
    params["until"] = int(again_at.timestamp())
    if fits:
        return RefusedForNow(code, again_at=again_at, **params)
    return RefusedError(code, **params)


def check_availability(guild_id: int | None, operator: OperatorRules, *, user_install: bool) -> None:
    """Raise RefusedError if the operator doesn't offer the bot in this server or conversation."""
    if user_install and not operator.allow_user_installs:
        raise RefusedError("user_installs_off")
    allowed = operator.allowed_guild_ids
    if guild_id is not None and allowed is not None and guild_id not in allowed:
        raise RefusedError("guild_not_allowed")


def check_channel(channel: ChannelState, *, restricted: bool = False) -> None:
    """Raise RefusedError if a result, which may be age-`restricted`, can't be shown in the channel."""
    if not channel.exists:
        raise RefusedError("channel_gone")
    if channel.locked:
        raise RefusedError("thread_locked")
    if channel.missing:
        raise RefusedError("missing_permissions", missing=", ".join(channel.missing))
    if restricted and not channel.age_restricted:
        raise RefusedError("age_restricted")


def check_not_blocked(usage: Usage) -> None:
    if usage.block is not None:
        until, reason = usage.block.until, escape_line(usage.block.reason or "-", _REASON)
        code = "blocked_until" if until else "blocked"
        raise RefusedError(code, reason=reason, until=int(until.timestamp()) if until else 0)


def check_posting(origin: Origin, usage: Usage, operator: OperatorRules) -> None:
    """Raise RefusedError if an existing result must not be posted at `origin`.

    Direct messages remain allowed even if the operator no longer accepts requests in them.
    """
    check_availability(origin.guild_id, operator, user_install=origin.user_install)
    check_not_blocked(usage)
    if usage.paused is not None:
        raise RefusedForNow("paused", reason=usage.paused)


def check_moderator(guild_id: int | None, person: Member, rules: ServerRules) -> int:
    """Return the server's id. Raises RefusedError outside servers and for members who aren't moderators."""
    if guild_id is None:
        raise RefusedError("server_only")
    if not person.is_moderator(rules):
        raise RefusedError("not_a_moderator")
    return guild_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the operator offers today for a stored run.

    `refusal` says why the run no longer fits. `gpu` is the GPU that it would use, or None if only the backend
    knows. `is_marked` says whether its deployments are age-restricted.
    """

    gpu: str | None = None
    is_marked: bool = False
    refusal: RefusedError | None = None


class Facts(NamedTuple):
    """What decides about a new request, read in one transaction.

    `expected` maps GPUs to the seconds to reserve for each run. `named` are the presets with the name that
    the request gives, and `defaults` those that apply without a name; in both, the first takes precedence.
    """

    rules: ServerRules
    usage: Usage
    expected: Mapping[str | None, float] = {}
    named: Sequence[Preset] = ()
    defaults: Sequence[Preset] = ()


def decide(run: Run, requester: Actor, facts: Facts, operator: OperatorRules, *, public: bool = False) -> Run:
    """Return a new run as it is accepted, on terms that hold for its whole batch. Raises RefusedError.

    It waits for a moderator if it has a `review_channel_id`, and is then charged at its approval. Such a
    request is refused if everybody sees the answer (`public`).
    """
    rules, now = facts.rules, facts.usage.now
    seconds = facts.expected.get(run.expected_gpu, EXPECTED_SECONDS)
    weight = rules.budgets.weight_of(run.expected_gpu)
    in_review = run.guild_id is not None and needs_approval(run, requester.person, rules)
    review_channel_id = rules.approval.review_channel_id if in_review else None
    accepted = replace(
        run,
        state=RunState.AWAITING_APPROVAL if in_review else RunState.WAITING,
        created_at=now,
        weight=weight,
        reserved_seconds=seconds,
        charged_on=None if in_review else budget_day(now),
        review_channel_id=review_channel_id,
        spoiler=rules.is_spoiler(age_restricted=run.channel_age_restricted),
        requester_joined_at=requester.person.joined_at,
        requester_roles=tuple(sorted(requester.person.role_ids)),
    )
    # The gateway has already checked the bot's permissions in the channel.
    channel = ChannelState(age_restricted=run.channel_age_restricted)
    judge(accepted, facts.usage, operator, rules, person=requester.person, channel=channel, new=True)
    if in_review and (review_channel_id is None or not requester.channel_state(review_channel_id).can_post):
        raise RefusedError("review_unreachable")
    if public and in_review:
        raise RefusedError("rules_changed")
    return accepted


def judge(
    run: Run,
    usage: Usage,
    operator: OperatorRules,
    rules: ServerRules,
    *,
    person: Member | None = None,
    channel: ChannelState | None = None,
    is_marked: bool = False,
    new: bool,
) -> None:
    """Raise the refusal of the first rule that forbids a run, or a batch that is new or under review.

    A RefusedForNow means that it may start later. The pause and the budgets are checked last, so that no run
    waits for them and is then refused by another rule. The runs of a `new` batch will wait in the queue,
    which has limits, too; its refusal says how many of them could start.

    `person` is the requester as just read from Discord. If it is None, the roles stored with the run apply,
    and the ages of account and membership aren't checked again, because they only grow. `channel` is None if
    Discord wasn't asked about it.
    """
    check_availability(run.guild_id, operator, user_install=run.user_install)
    # Users who added the bot to their account may also write to it directly.
    if run.guild_id is None and not (operator.allow_direct_messages or operator.allow_user_installs):
        raise RefusedError("direct_messages_off")
    if channel is not None:
        check_channel(channel, restricted=run.is_restricted(is_marked))
    if run.private and run.guild_id is None:
        raise RefusedError("private_server_only")
    if run.private and not rules.private_results:
        raise RefusedError("private_off")
    roles = person.role_ids if person is not None else run.requester_roles
    if run.guild_id is not None:
        check_not_blocked(usage)
        if person is not None:
            _check_ages(person, usage, rules)
        if roles is not None:
            _check_roles(run, frozenset(roles), rules)
    if usage.paused is not None:
        raise RefusedForNow("paused", reason=usage.paused)
    count = run.count if new or run.state is RunState.AWAITING_APPROVAL else 1
    for earlier in range(count):
        try:
            _check_budgets(run, frozenset(roles or ()), usage, operator, rules, earlier=earlier, new=new)
        except RefusedError as reason:
            if not (new and earlier and reason.code in LIMITS):
                raise
            params = reason.params | {"possible": earlier, "count": count}
            raise RefusedError(f"{reason.code}_count", **params) from None


def _check_budgets(
    run: Run,
    role_ids: frozenset[int],
    usage: Usage,
    operator: OperatorRules,
    rules: ServerRules,
    *,
    earlier: int,
    new: bool,
) -> None:
    """Raise RefusedError if the operator's limits or the server's budgets leave no room for another run.

    So many `earlier` runs of the batch count, too. When a stored run is judged, `usage` has no waiting runs.
    `at_once` isn't checked, because it only makes runs wait.
    """
    waiting, most = earlier if new else 0, operator.max_waiting_per_server
    if most is not None and run.guild_id is not None and usage.server.waiting + waiting >= most:
        raise RefusedError("server_budget_waiting", limit=most)
    ceiling, seconds = operator.daily_gpu_seconds, run.reserved_seconds
    if ceiling is not None and usage.gpu_seconds_today + (earlier + 1) * seconds > ceiling + _ROUNDING:
        raise until_tomorrow("daily_limit", usage, fits=seconds <= ceiling)
    if not new and run.charged_on == budget_day(usage.now):
        return  # the ledger already counts what it reserves
    reserved = seconds * run.weight
    budgets = (
        ("budget", usage.person, rules.budgets.limits_of(role_ids)),
        ("server_budget", usage.server, rules.budgets.server),
    )
    for prefix, spent, limits in budgets:
        if limits.waiting is not None and spent.waiting + waiting >= limits.waiting:
            raise RefusedError(f"{prefix}_waiting", limit=limits.waiting)
        if limits.runs_a_day is not None and spent.runs + earlier >= limits.runs_a_day:
            raise until_tomorrow(f"{prefix}_runs", usage, fits=True, limit=limits.runs_a_day)
        daily, used = limits.gpu_seconds_a_day, spent.gpu_seconds + earlier * reserved
        if daily is not None and used + reserved > daily + _ROUNDING:
            params = {"limit": daily, "left": max(0, int(daily - used)), "needed": int(reserved)}
            raise until_tomorrow(f"{prefix}_gpu", usage, fits=reserved <= daily + _ROUNDING, **params)


def needs_approval(run: Run, person: Member, rules: ServerRules) -> bool:
    approval = rules.approval
    if approval.mode is ApprovalMode.WITHOUT_ROLES:
        return not person.role_ids & approval.exempt_roles
    if approval.mode is ApprovalMode.SELECTED:
        gpu = run.expected_gpu
        # An unknown GPU could be one of the selected ones.
        on_selected = bool(approval.gpus) if gpu is None else gpu in approval.gpus
        return run.deployment in approval.deployments or on_selected
    return approval.mode is ApprovalMode.EVERYBODY


def _check_ages(person: Member, usage: Usage, rules: ServerRules) -> None:
    if person.is_moderator(rules):
        return
    people, joined_at = rules.people, person.joined_at or usage.now
    ages = (
        ("account_too_young", people.account_days, person.created_at),
        ("member_too_young", people.member_days, joined_at),
    )
    for code, days, since in ages:
        until = since + timedelta(days=days)
        if until > usage.now:
            raise RefusedForNow(code, again_at=until, days=days, until=int(until.timestamp()))


def _check_roles(run: Run, role_ids: frozenset[int], rules: ServerRules) -> None:
    gpu = run.expected_gpu or run.gpu
    asked: list[tuple[str, RolesFor, str]] = [("deployment_role", rules.deployment_roles, run.deployment)]
    asked += [("gpu_role", rules.gpu_roles, gpu)] if gpu is not None else []
    for code, roles_for, name in asked:
        # An empty set permits nobody: deleting the last role must not open the deployment to everybody.
        if name in roles_for and not roles_for[name] & role_ids:
            params = {"gpu": name} if code == "gpu_role" else {}
            allowed = ", ".join(each for each, roles in roles_for.items() if roles & role_ids)
            if not allowed:
                raise RefusedError(f"{code}_none", **params)
            raise RefusedError(code, allowed=allowed, **params)
    # The machine's own GPU could be any of the restricted ones.
    if gpu is None and not all(roles & role_ids for roles in rules.gpu_roles.values()):
        raise RefusedError("gpu_role_all")


def check_of(run: Run, rules: ServerRules, operator: OperatorRules, *, age_restricted: bool) -> Check:
    """Return what the rules say about the pictures of a run whose channel is `age_restricted`.

    A server's rules can only tighten the operator's minimum. It flags at least explicit pictures and nudity,
    and the server's exemptions don't apply to it.
    """
    pictures, order = rules.pictures, list(Flagged)
    exempt = (
        run.guild_id is None
        or (age_restricted and pictures.exempt_age_restricted)
        or run.deployment in pictures.exempt_deployments
        or not pictures.exempt_roles.isdisjoint(run.requester_roles or ())
    )
    own = Flagged.OFF if exempt else pictures.flagged
    level = pictures.level if own is not Flagged.OFF else Level.NORMAL
    if operator.flagged is not Flagged.OFF and level is Level.EXPLICIT:
        level = Level.NORMAL
    has_moderators = rules.approval.review_channel_id is not None
    can_hold = has_moderators and run.guild_id is not None and not run.user_install
    return Check(max(own, operator.flagged, key=order.index), level, can_hold, operator.holds_unknown)
