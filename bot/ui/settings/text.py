"""The text of each field of `/settings`, and descriptions of changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from types import MappingProxyType
from typing import Any

from bot.domain.presets import NAME_LENGTH
from bot.domain.settings.fields import LIMITS, Field, Kind, Section, fields_of
from bot.domain.settings.rules_and_defaults import (
    ApprovalMode,
    Budget,
    Ids,
    RoleBudget,
    RolesFor,
    ServerRules,
)
from bot.domain.settings.values import DefaultPreset, Names, SettingsContext
from bot.domain.settings.without_effect import note_on_name, note_on_names, note_on_role, note_on_roles
from bot.domain.text import escape_line, sentence_case, shorten
from bot.strings import say
from bot.ui.message_parts import set_by

_LIST_LIMIT = 10  # entries of a long list that are written out
_VALUE_LENGTH = 120  # characters of a value in a description of a change


@dataclass(frozen=True, slots=True)
class Line:
    """A label and a value. `key` identifies the setting, so that two states can be compared.

    `entries` are all parts of a list, of which `value` may show only some. `kind` is set on lines about a
    single role, GPU or deployment. `note` is the code of a sentence about a value without effect. A line that
    `stands_for_none` says that there are no such lines, so it comes and goes without being a change.
    """

    key: str
    label: str
    value: str
    entries: tuple[str, ...] = ()
    kind: str = ""
    note: str | None = None
    stands_for_none: bool = False

    @property
    def heading(self) -> str:
        """Return the displayed label, with a colon after the name of a role, GPU or deployment."""
        return f"{self.label}:" if self.kind else self.label

    def __str__(self) -> str:
        note = f"\n-# ⚠️ {say(self.note)}" if self.note else ""
        return f"**{self.heading}** {self.value}{note}"


Lines = Iterable[Line]


def lines_of(section: Section, rules: ServerRules, context: SettingsContext) -> list[Line]:
    """Return the lines of the section's fields that have an effect in the current approval mode."""
    fields = sorted(fields_of(section), key=lambda field: field.text_last)
    return _lines_of([field for field in fields if rules.approval.mode in field.modes], rules, context)


def _lines_of(fields: Sequence[Field], rules: ServerRules, context: SettingsContext) -> list[Line]:
    return [line for field in fields for line in _TEXT[field.kind](field, field.value(rules), context)]


@dataclass(frozen=True, slots=True)
class ChangeSummary:
    """The changes that an edit made.

    `covered` holds the keys of the lines whose new value `lines` shows, so the panel leaves them out below.
    """

    lines: tuple[str, ...] = ()
    covered: frozenset[str] = frozenset()


def first_lines(lines: Sequence[Line]) -> list[str]:
    """Return the texts of the lines. Of many roles, GPUs or deployments, the first ten are written out, and
    the others only named.
    """
    shown: list[str] = []
    for kind, rows in groupby(lines, key=lambda line: line.kind):
        written = list(rows)
        limit = _LIST_LIMIT if kind else len(written)
        shown += [str(line) for line in written[:limit]]
        if len(written) > limit:
            rest = listed([line.label for line in written[limit:]], _LIST_LIMIT)
            shown.append(f"**{say(f'settings_label_more_{kind}s')}** {rest}")
    return shown


def describe_changes(before: ServerRules, after: ServerRules, context: SettingsContext) -> ChangeSummary:
    """Describe each changed setting as `label: old → new`, or by the entries added to and removed from a
    list.
    """
    differences, covered = [], set()
    for section in Section:
        changed = [field for field in fields_of(section) if field.value(before) != field.value(after)]
        old = {line.key: line for line in _lines_of(changed, before, context)}
        new = {line.key: line for line in _lines_of(changed, after, context)}
        for key in {**old, **new}:
            pair = old.get(key), new.get(key)
            if pair[0] != pair[1] and not any(line and line.stands_for_none for line in pair):
                differences.append(_difference(*pair))
                if not _is_list(*pair):
                    covered.add(key)
    return ChangeSummary(tuple(differences), frozenset(covered))


def _is_list(old: Line | None, new: Line | None) -> bool:
    """Return whether a change is described by entries, so the panel still has to show the current list."""
    return old is not None and new is not None and bool(old.entries and new.entries)


def _difference(old: Line | None, new: Line | None) -> str:
    line = new or old or Line("", "", "")
    label, missing = line.heading, "settings_everybody" if line.kind in set(Names) else "settings_not_set"
    if old is not None and new is not None and _is_list(old, new):
        return say("settings_changed_line", label=label, change=_added_and_removed(old.entries, new.entries))
    texts = [shorten_line(line.value if line else sentence_case(say(missing))) for line in (old, new)]
    return say("settings_changed_line", label=label, change=" → ".join(texts))


def _added_and_removed(old: Sequence[str], new: Sequence[str]) -> str:
    parts = []
    for code, present, absent in (("settings_added", new, old), ("settings_removed", old, new)):
        entries = [entry for entry in present if entry not in absent]
        if entries:
            parts.append(say(code, entries=listed(entries, 4)))
    return "; ".join(parts)


def shorten_line(text: str) -> str:
    """Shorten a long line between words, since clients would show half a mention as raw text."""
    if len(text) <= _VALUE_LENGTH:
        return text
    words, space, _ = text[:_VALUE_LENGTH].rpartition(" ")
    return f"{words} …" if space else shorten(text, _VALUE_LENGTH)


def _line(key: str, value: str, entries: Sequence[str] = (), note: str | None = None) -> Line:
    shown = value if entries else sentence_case(value)  # an entry is shown as it was named
    return Line(key, say(f"settings_label_{key}"), shown, tuple(entries), note=note)


def _list(key: str, entries: Sequence[str], limit: int = _LIST_LIMIT, note: str | None = None) -> Line:
    return _line(key, listed(entries, limit), entries, note)


def _choice(field: Field, value: Any, context: SettingsContext) -> Lines:
    is_automod = field.key == "words.automod"
    choice = next(name for name, stored in field.choices if stored == value)
    text = automod_text(value, context) if is_automod else say(f"settings_{field.name}_{choice}")
    yield _line(field.name, text)


def _role(field: Field, role: int | None, context: SettingsContext) -> Lines:
    """Describe who decides: a role, in addition to members with Manage Server."""
    also = say("settings_and_role", role=role_name(role, context)) if role is not None else ""
    note = note_on_role(role, context, "settings_note_reviewer")
    yield _line(field.name, say("settings_managers") + also, note=note)


def _roles(field: Field, roles: Ids, context: SettingsContext) -> Lines:
    note = note_on_roles(roles, context, "settings_note_all_wait")
    yield _list(field.name, role_names(roles, context), note=note)


def _names(field: Field, names: Collection[str], context: SettingsContext) -> Lines:
    offered = context.offered(field.names)
    note = note_on_names(names, field.names, context)
    yield _list(field.name, [offered_name(name, offered) for name in ordered(names, offered)], note=note)


def _roles_by_name(field: Field, roles_by_name: RolesFor, context: SettingsContext) -> Lines:
    offered = context.offered(field.names)
    if not roles_by_name:
        yield replace(_line(f"all_{field.names}s", say("settings_everybody")), stands_for_none=True)
    for name in ordered(roles_by_name, offered):
        allowed = role_names(roles_by_name[name], context)
        text = listed(allowed, 3) if allowed else sentence_case(say("settings_nobody"))
        note = note_on_name(name, field.names, context) or note_on_roles(
            roles_by_name[name], context, "settings_note_nobody"
        )
        label = offered_name(name, offered)
        yield Line(f"{field.names} {name}", label, text, tuple(allowed), field.names, note)


def _numbers(field: Field, numbers: Any, _context: SettingsContext) -> Lines:
    """Yield a line for each number if the field has a unit, otherwise one line for all limits.

    Roles' limits are left out here, because `_unlimited` describes them.
    """
    for name in field.boxes if field.unit else ():
        count = getattr(numbers, name)
        yield _line(name, counted(f"settings_{field.unit}", count) if count else say(f"settings_any_{name}"))
    if not field.unit and not field.per_role:
        yield _line(field.name, budget_text(numbers))


def _number_by_name(field: Field, weights: Mapping[str, float], context: SettingsContext) -> Lines:
    offered = context.offered(field.names)
    factors = [
        say("settings_weight", gpu=offered_name(gpu, offered), factor=f"{weight:g}")
        for gpu, weight in sorted(weights.items())
    ]
    note = note_on_names(weights, Names.GPU, context)
    plain = say("settings_weights_plain")
    yield _list(field.name, factors, 15, note) if factors else _line(field.name, plain)


def _unlimited(_field: Field, budgets: Mapping[int, RoleBudget], context: SettingsContext) -> Lines:
    """Yield a line for each role that has limits of its own. Roles that are marked as unlimited come last."""
    for role, budget in sorted(budgets.items(), key=lambda item: (item[1].unlimited, item[0])):
        text = sentence_case(say("settings_no_limit")) if budget.unlimited else limits_text(budget)
        note = note_on_role(role, context, "settings_note_limits")
        yield Line(f"role {role}", role_name(role, context), text, kind="role", note=note)


def _words(field: Field, words: Collection[str], _context: SettingsContext) -> Lines:
    text = counted("settings_words_count", len(words)) if words else say("settings_empty")
    yield _line(field.name, text, [escape_line(word, 60) for word in words])


_TEXT: Mapping[Kind, Callable[[Field, Any, SettingsContext], Lines]] = MappingProxyType(
    {
        Kind.CHOICE: _choice,
        Kind.CHANNEL: lambda field, id_, context: [_line(field.name, channel_name(id_, context))],
        Kind.ROLE: _role,
        Kind.ROLES: _roles,
        Kind.NAMES: _names,
        Kind.ROLES_BY_NAME: _roles_by_name,
        Kind.NUMBER: lambda field, count, _: [_line(field.name, counted(f"settings_{field.unit}", count))],
        Kind.NUMBERS: _numbers,
        Kind.NUMBER_BY_NAME: _number_by_name,
        Kind.UNLIMITED: _unlimited,
        Kind.WORDS: _words,
    }
)


def default_preset_lines(context: SettingsContext) -> list[str]:
    """Return the default presets of the channels, and a hint on how to set one, since the panel can't."""
    defaults = context.default_presets
    lines = [f"- {_default_preset(default, context)}" for default in defaults[:_LIST_LIMIT]]
    if len(defaults) > _LIST_LIMIT:
        lines.append(f"- {say('settings_more', count=len(defaults) - _LIST_LIMIT)}")
    heading = _line("default_presets", "" if defaults else say("settings_none_chosen"))
    return [str(heading).rstrip(), *lines, f"-# {say('settings_default_hint')}"]


def _default_preset(default: DefaultPreset, context: SettingsContext) -> str:
    name = escape_line(default.name, NAME_LENGTH)
    title = offered_name(default.deployment, context.deployments)
    entry = say("settings_default_preset", name=name, title=title, channel=f"<#{default.channel_id}>")
    return " · ".join(filter(None, [entry, set_by(default.set_by, default.set_at)]))


def automod_text(applies: bool | None, context: SettingsContext) -> str:
    """Return a text about whether the server's AutoMod rules apply to requests now.

    `applies` is the setting. None applies the rules if the bot may read them.
    """
    if applies is None:
        return say("settings_applied" if context.manages_server else "settings_unable")
    return say("settings_always_applied" if applies else "settings_not_applied")


def limits_text(budget: Budget | RoleBudget, separator: str = " · ") -> str:
    """Join all limits that are set."""
    return separator.join(
        say(f"settings_limit_{name}", count=getattr(budget, name))
        for name in LIMITS
        if getattr(budget, name, None) is not None
    )


def budget_text(budget: Budget, separator: str = " · ") -> str:
    return limits_text(budget, separator) or say("settings_no_limit")


def role_names(ids: Collection[int], context: SettingsContext) -> list[str]:
    return [role_name(role_id, context) for role_id in sorted(ids)]


def ordered(names: Collection[str], offered: Mapping[str, str]) -> list[str]:
    """Sort names in the order in which they are offered, with missing ones at the end."""
    positions = {name: position for position, name in enumerate(offered)}
    return sorted(names, key=lambda name: (positions.get(name, len(positions)), name))


def role_name(role_id: int, context: SettingsContext) -> str:
    return f"<@&{role_id}>" if role_id in context.role_ids else say("settings_gone_role", id=role_id)


def channel_name(channel_id: int | None, context: SettingsContext) -> str:
    if channel_id is None:
        return say("settings_none_chosen")
    there = channel_id in context.channel_ids
    return f"<#{channel_id}>" if there else say("settings_gone_channel", id=channel_id)


def offered_name(name: str, offered: Mapping[str, str]) -> str:
    title = escape_line(offered.get(name, name), 40)
    return title if name in offered else say("settings_gone_other", name=title)


def counted(code: str, count: int) -> str:
    """Return the sentence `code` for a count, `{code}_one` for 1."""
    return say(f"{code}_one") if count == 1 else say(code, count=count)


def listed(entries: Iterable[str], limit: int) -> str:
    """Join the first `limit` entries, and state the number of the others."""
    shown = list(entries)
    if not shown:
        return say("settings_none_chosen")
    text = ", ".join(shown[:limit])
    more = len(shown) - limit
    return say("settings_and_more", text=text, count=more) if more > 0 else text


def summaries(rules: ServerRules, context: SettingsContext) -> Iterator[tuple[Section, str]]:
    """Yield each section except the overview, with a one-line summary of its rules."""
    yield Section.APPROVAL, _approval_summary(rules, context)
    yield Section.WORDS, _words_summary(rules, context)
    yield Section.BUDGETS, _budgets_summary(rules)
    yield Section.GPUS, _gpus_summary(rules)
    yield Section.PEOPLE, _people_summary(rules)
    yield Section.RESULTS, _results_summary(rules, context)
    yield Section.RECORD, counted("settings_kept_for", rules.retention_days)


def _approval_summary(rules: ServerRules, context: SettingsContext) -> str:
    approval = rules.approval
    mode = say(f"settings_brief_{approval.mode.value}")
    if approval.mode is ApprovalMode.OFF:
        return mode
    place = channel_name(approval.review_channel_id, context)
    return f"{mode} · {place} · {counted('settings_hours', approval.hours)}"


def _words_summary(rules: ServerRules, context: SettingsContext) -> str:
    automod = say("settings_automod", state=automod_text(rules.words.automod, context))
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


def _results_summary(rules: ServerRules, context: SettingsContext) -> str:
    parts = [say(f"settings_brief_spoiler_{rules.spoiler.value}")]
    if rules.gallery_channel_id is not None:
        parts.append(say("settings_shared_to", channel=channel_name(rules.gallery_channel_id, context)))
    if rules.private_results:
        parts.append(say("settings_brief_private"))
    return " · ".join(parts)


def _people_summary(rules: ServerRules) -> str:
    account, member = rules.people.account_days, rules.people.member_days
    old = counted("settings_account_age", account) if account else say("settings_any_account")
    here = counted("settings_member_age", member) if member else say("settings_any_member")
    return f"{old} · {here}"
