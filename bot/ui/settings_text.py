"""The rules as lines to read: label and value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

from bot.domain.rules import ApprovalMode, Budget, RoleBudget, ServerRules
from bot.domain.settings_table import Section
from bot.domain.settings_values import SettingsContext
from bot.domain.text import escape_line, shorten
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


def lines_of(section: Section, rules: ServerRules, context: SettingsContext) -> list[Line]:
    return list(_SECTIONS[section](rules, context))


@dataclass(frozen=True, slots=True)
class ChangeSummary:
    """What an edit changed, in words; `told` are the keys of settings of which that says all there is."""

    lines: tuple[str, ...] = ()
    told: frozenset[str] = frozenset()


def first_lines(lines: Sequence[Line]) -> list[str]:
    """To read: of a long list the first rows, the rest by name only."""
    shown: list[str] = []
    for kind, rows in groupby(lines, key=lambda line: line.kind):
        written = list(rows)
        limit = _ROWS if kind else len(written)
        shown += [str(line) for line in written[:limit]]
        if len(written) > limit:
            rest = listed([line.label for line in written[limit:]], _ROWS)
            shown.append(f"**{say(f'settings_label_more_{kind}s')}** {rest}")
    return shown


def describe_changes(before: ServerRules, after: ServerRules, context: SettingsContext) -> ChangeSummary:
    """What an edit did, in the words of the panel: `label: old → new`, or what came and went."""
    found = []
    told = set()
    for section in _SECTIONS:
        old = {line.key: line for line in lines_of(section, before, context)}
        new = {line.key: line for line in lines_of(section, after, context)}
        for key in [*old, *(key for key in new if key not in old)]:
            was, now = old.get(key), new.get(key)
            if was != now:
                found.append(_difference(was, now))
            if was != now and not _is_list(was, now):
                told.add(key)
    return ChangeSummary(tuple(found), frozenset(told))


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
            parts.append(say(code, entries=listed(entries, 4)))
    return "; ".join(parts)


def shorten_line(text: str) -> str:
    """Cut between words: half a mention would be shown as code."""
    if len(text) <= _OLD:
        return text
    return f"{text[:_OLD].rpartition(' ')[0]} …" if " " in text[:_OLD] else shorten(text, _OLD)


def _line(key: str, value: str, entries: Sequence[str] = ()) -> Line:
    return Line(key, say(f"settings_label_{key}"), value, tuple(entries))


def _list(key: str, entries: Sequence[str], limit: int = _ROWS) -> Line:
    return _line(key, listed(entries, limit), entries)


def _approval(rules: ServerRules, context: SettingsContext) -> Iterator[Line]:
    approval = rules.approval
    yield _line("mode", say(f"settings_mode_{approval.mode.value}"))
    if approval.mode is ApprovalMode.WITHOUT_ROLES or approval.exempt_roles:
        yield _list("exempt", role_names(approval.exempt_roles, context))
    if approval.mode is ApprovalMode.SELECTED or approval.deployments or approval.gpus:
        yield _list("deployments", deployment_names(approval.deployments, context))
        yield _list("gpus", gpu_names(approval.gpus, context))
    yield _line("channel", channel_name(approval.review_channel_id, context))
    reviewer = rules.reviewer_role_id
    also = say("settings_and_role", role=role_name(reviewer, context)) if reviewer is not None else ""
    yield _line("reviewers", say("settings_managers") + also)
    yield _line("hours", counted("settings_hours", approval.hours))


def _words(rules: ServerRules, context: SettingsContext) -> Iterator[Line]:
    yield _line("automod", automod_text(rules, context))
    blocked = [escape_line(word, 60) for word in rules.words.blocked]
    count = counted("settings_words_count", len(blocked)) if blocked else say("settings_empty")
    yield _line("blocked", count, blocked)


def _budgets(rules: ServerRules, context: SettingsContext) -> Iterator[Line]:
    budgets = rules.budgets
    yield _line("person", budget_text(budgets.person))
    yield _line("server", budget_text(budgets.server))
    factors = [
        say("settings_weight", gpu=gpu_name(gpu, context), factor=f"{weight:g}")
        for gpu, weight in sorted(budgets.gpu_weights.items())
    ]
    yield _list("weights", factors, 15) if factors else _line("weights", say("settings_weights_plain"))
    for role, row in sorted(budgets.roles.items(), key=lambda row: (row[1].unlimited, row[0])):
        yield Line(f"role {role}", role_name(role, context), role_text(row), kind="role")


def _gpus(rules: ServerRules, context: SettingsContext) -> Iterator[Line]:
    yield from _rows("gpu", rules.gpu_roles, gpu_name, context)
    yield from _rows("deployment", rules.deployment_roles, deployment_name, context)


def _rows(
    kind: str,
    roles_for: Mapping[str, frozenset[int]],
    shown: Callable[[str, SettingsContext], str],
    context: SettingsContext,
) -> Iterator[Line]:
    if not roles_for:
        yield _line(f"all_{kind}s", say("settings_everybody"))
    for name in ordered(roles_for, context):
        allowed = role_names(roles_for[name], context)
        who = listed(allowed, 3) if allowed else say("settings_nobody")
        yield Line(f"{kind} {name}", shown(name, context), who, tuple(allowed), kind)


def _people(rules: ServerRules, _around: SettingsContext) -> Iterator[Line]:
    for name in ("account_days", "member_days"):
        days = getattr(rules.people, name)
        yield _line(name, counted("settings_days", days) if days else say("settings_any_age"))


def _results(rules: ServerRules, _around: SettingsContext) -> Iterator[Line]:
    yield _line("spoiler", say(f"settings_spoiler_{rules.spoiler.value}"))


def _record(rules: ServerRules, _around: SettingsContext) -> Iterator[Line]:
    yield _line("retention", counted("settings_days", rules.retention_days))


def automod_text(rules: ServerRules, context: SettingsContext) -> str:
    """Whether AutoMod's rules hold for requests, as things are now."""
    if rules.words.automod is None:
        return say("settings_applied" if context.manages_server else "settings_unable")
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


_SECTIONS: Mapping[Section, Callable[[ServerRules, SettingsContext], Iterator[Line]]] = MappingProxyType(
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


def role_names(ids: Collection[int], context: SettingsContext) -> list[str]:
    return [role_name(role_id, context) for role_id in sorted(ids)]


def deployment_names(chosen: Collection[str], context: SettingsContext) -> list[str]:
    return [deployment_name(name, context) for name in ordered(chosen, context)]


def gpu_names(chosen: Collection[str], context: SettingsContext) -> list[str]:
    return [gpu_name(name, context) for name in ordered(chosen, context)]


def ordered(chosen: Collection[str], context: SettingsContext) -> list[str]:
    """In the order in which they are offered, what is gone at the end."""
    offered = {name: place for place, name in enumerate((*context.gpus, *context.deployments))}
    return sorted(chosen, key=lambda name: (offered.get(name, len(offered)), name))


def role_name(role_id: int, context: SettingsContext) -> str:
    return f"<@&{role_id}>" if role_id in context.role_ids else say("settings_gone_role", id=role_id)


def channel_name(channel_id: int | None, context: SettingsContext) -> str:
    if channel_id is None:
        return say("settings_none_chosen")
    there = channel_id in context.channel_ids
    return f"<#{channel_id}>" if there else say("settings_gone_channel", id=channel_id)


def deployment_name(name: str, context: SettingsContext) -> str:
    title = context.deployments.get(name)
    return (
        escape_line(title, 40)
        if title is not None
        else say("settings_gone_other", name=escape_line(name, 40))
    )


def gpu_name(name: str, context: SettingsContext) -> str:
    shown = escape_line(name, 40)
    return shown if name in context.gpus else say("settings_gone_other", name=shown)


def counted(code: str, count: int) -> str:
    """`code` with `count`; a single one has its own sentence, `{code}_one`."""
    return say(f"{code}_one") if count == 1 else say(code, count=count)


def listed(entries: Iterable[str], limit: int) -> str:
    """The first of them, and how many more there are."""
    shown = list(entries)
    if not shown:
        return say("settings_none_chosen")
    text = ", ".join(shown[:limit])
    more = len(shown) - limit
    return say("settings_and_more", text=text, count=more) if more > 0 else text


def summaries(rules: ServerRules, context: SettingsContext) -> Iterator[tuple[Section, str]]:
    """In the order of the panel."""
    yield Section.APPROVAL, _approval_summary(rules, context)
    yield Section.WORDS, _words_summary(rules, context)
    yield Section.BUDGETS, _budgets_summary(rules)
    yield Section.GPUS, _gpus_summary(rules)
    yield Section.PEOPLE, _people_summary(rules)
    yield Section.RESULTS, say(f"settings_spoiler_{rules.spoiler.value}")
    yield Section.RECORD, counted("settings_kept_for", rules.retention_days)


def _approval_summary(rules: ServerRules, context: SettingsContext) -> str:
    approval = rules.approval
    mode = say(f"settings_brief_{approval.mode.value}")
    if approval.mode is ApprovalMode.OFF:
        return mode
    place = channel_name(approval.review_channel_id, context)
    return f"{mode} · {place} · {counted('settings_hours', approval.hours)}"


def _words_summary(rules: ServerRules, context: SettingsContext) -> str:
    automod = say("settings_automod", state=automod_text(rules, context))
    count = len(rules.words.blocked)
    return f"{automod} · {counted('settings_words_count', count)}" if count else automod


def _budgets_summary(rules: ServerRules) -> str:
    budgets = rules.budgets
    parts = [
        say("settings_each_person", limits=budget_text(budgets.person, ", ")),
        say("settings_whole_server", limits=budget_text(budgets.server, ", ")),
    ]
    if budgets.roles:
        parts.append(counted("settings_roles_differ", len(budgets.roles)))
    return " · ".join(parts)


def _gpus_summary(rules: ServerRules) -> str:
    gpus, deployments = len(rules.gpu_roles), len(rules.deployment_roles)
    if not gpus and not deployments:
        return say("settings_open_to_all")
    return say("settings_limited", gpus=gpus, deployments=deployments)


def _people_summary(rules: ServerRules) -> str:
    account, member = rules.people.account_days, rules.people.member_days
    old = counted("settings_account_age", account) if account else say("settings_any_account")
    here = counted("settings_member_age", member) if member else say("settings_any_member")
    return f"{old} · {here}"
