"""The text of `/help` about what a server's rules mean for a member."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bot.domain.budgets import Spending, limits_of
from bot.domain.policy import Standing
from bot.domain.presets import NAME_LENGTH
from bot.domain.settings.rules_and_defaults import ApprovalMode
from bot.domain.text import escape_line, shorten
from bot.strings import say

_NAMES = 200
_REASON = 200


def rules_text(standing: Standing, title: Callable[[str], str]) -> str:
    """Return the rules that apply to a member, one per line."""
    return "\n".join([say("help_rules"), *_lines(standing, title)])


def _lines(standing: Standing, title: Callable[[str], str]) -> Iterator[str]:
    yield from _stops(standing)
    rules, roles = standing.rules, standing.person.role_ids
    mode, approval = rules.approval.mode, rules.approval
    reviewed = [title(each) for each in standing.deployments if each in approval.deployments]
    reviewed += [gpu for gpu in standing.gpus if gpu in approval.gpus]
    is_exempt = mode is ApprovalMode.WITHOUT_ROLES and roles & approval.exempt_roles
    if mode in (ApprovalMode.EVERYBODY, ApprovalMode.WITHOUT_ROLES) and not is_exempt:
        yield say("help_rules_reviewed")
    elif mode is ApprovalMode.SELECTED and reviewed:
        yield say("help_rules_reviewed_some", names=_names(reviewed))
    else:
        yield say("help_rules_not_reviewed")
    yield from _budgets(standing)
    for default in standing.defaults:
        name = escape_line(default.name, NAME_LENGTH)
        yield say("help_rules_default", name=name, title=escape_line(title(default.deployment), 60))
    if standing.in_server and rules.private_results:
        yield say("help_rules_private")
    closed = {name for name, allowed in rules.deployment_roles.items() if not allowed & roles}
    if names := [title(each) for each in standing.deployments if each in closed]:
        yield say("help_rules_closed", names=_names(names))
    closed = {name for name, allowed in rules.gpu_roles.items() if not allowed & roles}
    if names := [gpu for gpu in standing.gpus if gpu in closed]:
        yield say("help_rules_closed_gpus", names=_names(names))
    if standing.age_restricted:
        code = "help_rules_age_here" if standing.age_restricted_channel else "help_rules_age"
        yield say(code, names=_names(map(title, standing.age_restricted)))


def _stops(standing: Standing) -> Iterator[str]:
    """Yield the reasons why the member can't generate anything now."""
    block, paused = standing.usage.block, standing.usage.paused
    if block is not None:
        until = int(block.until.timestamp()) if block.until else 0
        reason = escape_line(block.reason or "-", _REASON)
        yield "- " + say("blocked_until" if until else "blocked", until=until, reason=reason)
    if paused is not None:
        # The reason is stored escaped.
        yield "- " + say("usage_paused", reason=shorten(paused, 2 * _REASON))


def _budgets(standing: Standing) -> Iterator[str]:
    usage, limits = standing.usage, limits_of(standing.person, standing.rules)
    server = standing.rules.budgets.server if standing.in_server else None
    lines = list(_left("help_rules", usage.person, limits.runs_a_day, limits.gpu_seconds_a_day))
    if server is not None:
        lines += _left("help_rules_server", usage.server, server.runs_a_day, server.gpu_seconds_a_day)
    if lines:
        yield from (*lines, say("help_rules_resets", until=int(usage.day_end.timestamp())))
    else:
        yield say("help_rules_unlimited")
    if limits.at_once is not None:
        yield say("help_rules_at_once", limit=limits.at_once)


def _left(prefix: str, spent: Spending, runs: int | None, seconds: int | None) -> Iterator[str]:
    if runs is not None:
        yield say(f"{prefix}_runs", left=max(runs - spent.runs, 0), limit=runs)
    if seconds is not None:
        yield say(f"{prefix}_gpu", left=max(seconds - round(spent.gpu_seconds), 0), limit=seconds)


def _names(names: Iterable[str]) -> str:
    return escape_line(", ".join(names), _NAMES)
