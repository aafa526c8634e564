"""The rules as lines to read: label and value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

from bot.domain.rules import ApprovalMode, Budget, RoleBudget, ServerRules
from bot.domain.settings_table import Section
from bot.domain.settings_values import Surroundings
from bot.domain.text import quoted, shorten
from bot.moderation.panels import names
from bot.strings import say

_ROWS = 10  # of a long list, so many are written out
_OLD = 120


@dataclass(frozen=True, slots=True)
class Line:
    """`key` says which setting it is, so that two states can be compared; `kind` which list it is a row of.

    `entries` are all parts of a list, of which `value` may show only some.
    """

    key: str
    label: str
    value: str
    entries: tuple[str, ...] = ()
    kind: str = ""

    @property
    def heading(self) -> str:
        """A row is called by the name of a role, a GPU or a deployment."""
        return f"{self.label}:" if self.kind else self.label

    def __str__(self) -> str:
        return f"**{self.heading}** {self.value}"


def lines_of(section: Section, rules: ServerRules, around: Surroundings) -> list[Line]:
    return list(_SECTIONS[section](rules, around))


@dataclass(frozen=True, slots=True)
class News:
    """What an edit changed, in words; `told` are the keys of settings of which that says all there is."""

    lines: tuple[str, ...] = ()
    told: frozenset[str] = frozenset()


def clipped(lines: Sequence[Line]) -> list[str]:
    """To read: of a long list the first rows, the rest by name only."""
    shown: list[str] = []
    for kind, rows in groupby(lines, key=lambda line: line.kind):
        written = list(rows)
        most = _ROWS if kind else len(written)
        shown += [str(line) for line in written[:most]]
        if len(written) > most:
            rest = names.listed([line.label for line in written[most:]], _ROWS)
            shown.append(f"**{say(f'settings_label_more_{kind}s')}** {rest}")
    return shown


def changed(before: ServerRules, after: ServerRules, around: Surroundings) -> News:
    """What an edit did, in the words of the panel: `label: old → new`, or what came and went."""
    found = []
    told = set()
    for section in _SECTIONS:
        old = {line.key: line for line in lines_of(section, before, around)}
        new = {line.key: line for line in lines_of(section, after, around)}
        for key in [*old, *(key for key in new if key not in old)]:
            was, now = old.get(key), new.get(key)
            if was != now:
                found.append(_difference(was, now))
            if was != now and not _is_list(was, now):
                told.add(key)
    return News(tuple(found), frozenset(told))


def _is_list(was: Line | None, now: Line | None) -> bool:
    """Of two lists, what came and went is told; what is in them now is for the panel."""
    return was is not None and now is not None and bool(was.entries and now.entries)


def _difference(was: Line | None, now: Line | None) -> str:
    label = (now or was or Line("", "", "")).heading
    if was is not None and now is not None and _is_list(was, now):
        return say("settings_changed_line", label=label, change=_came_and_went(was.entries, now.entries))
    old = was.value if was else say("settings_not_set")
    new = now.value if now else say("settings_not_set")
    return say("settings_changed_line", label=label, change=f"{shorten_line(old)} → {shorten_line(new)}")


def _came_and_went(old: Sequence[str], new: Sequence[str]) -> str:
    parts = []
    for code, here, there in (("settings_added", new, old), ("settings_removed", old, new)):
        entries = [entry for entry in here if entry not in there]
        if entries:
            parts.append(say(code, entries=names.listed(entries, 4)))
    return "; ".join(parts)


def shorten_line(text: str) -> str:
    """Cut between words: half a mention would be shown as code."""
    if len(text) <= _OLD:
        return text
    return f"{text[:_OLD].rpartition(' ')[0]} …" if " " in text[:_OLD] else shorten(text, _OLD)


def _line(key: str, value: str, entries: Sequence[str] = ()) -> Line:
    return Line(key, say(f"settings_label_{key}"), value, tuple(entries))


def _list(key: str, entries: Sequence[str], most: int = _ROWS) -> Line:
    return _line(key, names.listed(entries, most), entries)


def _approval(rules: ServerRules, around: Surroundings) -> Iterator[Line]:
    approval = rules.approval
    yield _line("mode", say(f"settings_mode_{approval.mode.value}"))
    if approval.mode is ApprovalMode.WITHOUT_ROLES or approval.exempt_roles:
        yield _list("exempt", names.roles(approval.exempt_roles, around))
    if approval.mode is ApprovalMode.SELECTED or approval.deployments or approval.gpus:
        yield _list("deployments", names.deployments(approval.deployments, around))
        yield _list("gpus", names.gpus(approval.gpus, around))
    yield _line("channel", names.channel(approval.review_channel_id, around))
    reviewer = rules.reviewer_role_id
    also = say("settings_and_role", role=names.role(reviewer, around)) if reviewer is not None else ""
    yield _line("reviewers", say("settings_managers") + also)
    yield _line("hours", names.counted("settings_hours", approval.hours))


def _words(rules: ServerRules, around: Surroundings) -> Iterator[Line]:
    yield _line("automod", automod_text(rules, around))
    blocked = [quoted(word, 60) for word in rules.words.blocked]
    count = names.counted("settings_words_count", len(blocked)) if blocked else say("settings_empty")
    yield _line("blocked", count, blocked)


def _budgets(rules: ServerRules, around: Surroundings) -> Iterator[Line]:
    budgets = rules.budgets
    yield _line("person", budget_text(budgets.person))
    yield _line("server", budget_text(budgets.server))
    factors = [
        say("settings_weight", gpu=names.gpu(gpu, around), factor=f"{weight:g}")
        for gpu, weight in sorted(budgets.gpu_weights.items())
    ]
    yield _list("weights", factors, 15) if factors else _line("weights", say("settings_weights_plain"))
    for role, row in sorted(budgets.roles.items(), key=lambda row: (row[1].unlimited, row[0])):
        yield Line(f"role {role}", names.role(role, around), role_text(row), kind="role")


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
    for name in names.ordered(roles_for, around):
        allowed = names.roles(roles_for[name], around)
        who = names.listed(allowed, 3) if allowed else say("settings_nobody")
        yield Line(f"{kind} {name}", shown(name, around), who, tuple(allowed), kind)


def _people(rules: ServerRules, _around: Surroundings) -> Iterator[Line]:
    for name in ("account_days", "member_days"):
        days = getattr(rules.people, name)
        yield _line(name, names.counted("settings_days", days) if days else say("settings_any_age"))


def _results(rules: ServerRules, _around: Surroundings) -> Iterator[Line]:
    yield _line("spoiler", say(f"settings_spoiler_{rules.spoiler.value}"))


def _record(rules: ServerRules, _around: Surroundings) -> Iterator[Line]:
    yield _line("retention", names.counted("settings_days", rules.retention_days))


def automod_text(rules: ServerRules, around: Surroundings) -> str:
    """Whether AutoMod's rules hold for requests, as things are now."""
    if rules.words.automod is None:
        return say("settings_applied" if around.manages_server else "settings_unable")
    return say("settings_always_applied" if rules.words.automod else "settings_not_applied")


def budget_text(budget: Budget, between: str = " · ") -> str:
    """The limits that there are, in one line."""
    limits = [
        say(f"settings_limit_{name}", count=getattr(budget, name))
        for name in ("at_once", "waiting", "runs_a_day", "gpu_seconds_a_day")
        if getattr(budget, name) is not None
    ]
    return between.join(limits) or say("settings_no_limit")


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
