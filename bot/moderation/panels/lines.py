"""The rules as lines to read: label and value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bot.moderation.panels import names
from bot.moderation.panels.ids import Section
from bot.moderation.rules import ApprovalMode, Budget, RoleBudget, ServerRules
from bot.moderation.surroundings import Surroundings
from bot.text import shorten
from bot.words import say

_ROWS = 10  # of a long list, so many are written out
_OLD = 120


@dataclass(frozen=True, slots=True)
class Line:
    """`key` says which setting it is, so that two states can be compared."""

    key: str
    label: str
    value: str

    def __str__(self) -> str:
        return f"**{self.label}** {self.value}"


def lines_of(section: Section, rules: ServerRules, around: Surroundings) -> list[Line]:
    return list(_SECTIONS[section](rules, around))


def changed(before: ServerRules, after: ServerRules, around: Surroundings) -> list[str]:
    """What an edit did, in the words of the panel: `label: old → new`."""
    found = []
    for section in _SECTIONS:
        old = {line.key: line for line in lines_of(section, before, around)}
        new = {line.key: line for line in lines_of(section, after, around)}
        for key in [*old, *(key for key in new if key not in old)]:
            was, now = old.get(key), new.get(key)
            if was != now:
                found.append(_difference(was, now))
    return found


def _difference(was: Line | None, now: Line | None) -> str:
    label = (now or was or Line("", "", "")).label
    old = was.value if was else say("settings_not_set")
    new = now.value if now else say("settings_not_set")
    return say("settings_changed_line", label=label, old=shorten_line(old), new=shorten_line(new))


def shorten_line(text: str) -> str:
    """Cut between words: half a mention would be shown as code."""
    if len(text) <= _OLD:
        return text
    return f"{text[:_OLD].rpartition(' ')[0]} …" if " " in text[:_OLD] else shorten(text, _OLD)


def _line(key: str, value: str, **params: object) -> Line:
    return Line(key, say(f"settings_label_{key}", **params), value)


def _approval(rules: ServerRules, around: Surroundings) -> Iterator[Line]:
    approval = rules.approval
    yield _line("mode", say(f"settings_mode_{approval.mode.value}"))
    if approval.mode is ApprovalMode.WITHOUT_ROLES or approval.exempt_roles:
        yield _line("exempt", names.roles(approval.exempt_roles, around))
    if approval.mode is ApprovalMode.SELECTED or approval.deployments or approval.gpus:
        chosen = [names.deployment(name, around) for name in sorted(approval.deployments)]
        yield _line("deployments", names.listed(chosen, _ROWS))
        yield _line("gpus", names.listed([names.gpu(name, around) for name in sorted(approval.gpus)], _ROWS))
    yield _line("channel", names.channel(approval.review_channel_id, around))
    reviewer = rules.reviewer_role_id
    also = say("settings_and_role", role=names.role(reviewer, around)) if reviewer is not None else ""
    yield _line("reviewers", say("settings_managers") + also)
    yield _line("hours", names.counted("settings_hours", approval.hours))


def _words(rules: ServerRules, _around: Surroundings) -> Iterator[Line]:
    yield _line("automod", say("settings_applied" if rules.words.automod else "settings_not_applied"))
    blocked = rules.words.blocked
    yield _line(
        "blocked", names.counted("settings_words_count", len(blocked)) if blocked else say("settings_empty")
    )


def _budgets(rules: ServerRules, around: Surroundings) -> Iterator[Line]:
    budgets = rules.budgets
    yield _line("person", budget_text(budgets.person))
    yield _line("server", budget_text(budgets.server))
    rows = sorted(budgets.roles.items(), key=lambda row: (row[1].unlimited, row[0]))
    for role, row in rows[:_ROWS]:
        yield Line(f"role {role}", names.role(role, around), role_text(row))
    if len(rows) > _ROWS:
        yield _line("more_roles", names.roles([role for role, _ in rows[_ROWS:]], around, most=15))
    weights = [
        say("settings_weight", gpu=names.gpu(gpu, around), factor=f"{weight:g}")
        for gpu, weight in sorted(budgets.gpu_weights.items())
    ]
    yield _line("weights", names.listed(weights, 15) if weights else say("settings_weights_plain"))


def _gpus(rules: ServerRules, around: Surroundings) -> Iterator[Line]:
    yield from _rows("gpu", rules.gpu_roles, names.gpu, around)
    yield from _rows("deployment", rules.deployment_roles, names.deployment, around)


def _rows(
    kind: str,
    roles_for: Mapping[str, frozenset[int]],
    shown: Callable[[str, Surroundings], str],
    around: Surroundings,
) -> Iterator[Line]:
    if not roles_for:
        yield _line(f"all_{kind}s", say("settings_everybody"))
    entries = sorted(roles_for.items())
    for name, allowed in entries[:_ROWS]:
        who = names.roles(allowed, around, most=3) if allowed else say("settings_nobody")
        yield Line(f"{kind} {name}", shown(name, around), who)
    if len(entries) > _ROWS:
        rest = [shown(name, around) for name, _ in entries[_ROWS:]]
        yield _line(f"more_{kind}s", names.listed(rest, _ROWS))


def _people(rules: ServerRules, _around: Surroundings) -> Iterator[Line]:
    for name in ("account_days", "member_days"):
        days = getattr(rules.people, name)
        yield _line(name, names.counted("settings_days", days) if days else say("settings_any_age"))


def _results(rules: ServerRules, _around: Surroundings) -> Iterator[Line]:
    yield _line("spoiler", say(f"settings_spoiler_{rules.spoiler.value}"))


def _record(rules: ServerRules, _around: Surroundings) -> Iterator[Line]:
    yield _line("retention", names.counted("settings_days", rules.retention_days))


def budget_text(budget: Budget) -> str:
    """The limits that there are, in one line."""
    limits = [
        say(f"settings_limit_{name}", count=getattr(budget, name))
        for name in ("at_once", "waiting", "runs_a_day", "gpu_seconds_a_day")
        if getattr(budget, name) is not None
    ]
    return " · ".join(limits) or say("settings_no_limit")


def role_text(budget: RoleBudget) -> str:
    if budget.unlimited:
        return say("settings_no_limit")
    limits: Sequence[str] = [
        say(f"settings_limit_{name}", count=getattr(budget, name))
        for name in ("at_once", "runs_a_day", "gpu_seconds_a_day")
        if getattr(budget, name) is not None
    ]
    return " · ".join(limits)


_SECTIONS: Mapping[Section, Callable[[ServerRules, Surroundings], Iterator[Line]]] = MappingProxyType(
    {
        Section.APPROVAL: _approval,
        Section.WORDS: _words,
        Section.BUDGETS: _budgets,
        Section.GPUS: _gpus,
        Section.PEOPLE: _people,
        Section.RESULTS: _results,
        Section.RECORD: _record,
    }
)
