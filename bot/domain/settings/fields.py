"""The loops over the declared settings: texts, changes, forms, and references to what is gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from hashlib import blake2b
from typing import Annotated, Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from bot.domain.errors import InputError, InputErrors, RefusedError
from bot.domain.forms import FormField, Shape
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.settings.setting_types import Choice, Given, Names, Section, Setting, SettingsContext
from bot.domain.text import QUOTED, escape_line, listed, shorten_words, shown_number

# How much of a value is quoted that somebody else has set.
_NOW_LENGTH = 200
Key = int | str | None
"""The role, GPU or deployment that a value is about, or None if there is one value for the server."""
Change = tuple[str, str, str]
"""What was changed, the old and the new value, as texts."""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A declared setting. `parents` are the attributes that lead to its value or to the map of its values.

    The keys of a map name things of the kind `keys`.
    """

    section: Section
    setting: Setting
    parents: tuple[str, ...]
    adapter: TypeAdapter[Any]
    keys: Names | None = None

    @property
    def path(self) -> str:
        return ".".join(self.parents)

    def label(self, key: Key, context: SettingsContext) -> str:
        """Return the label with the key, or with the section if another section has the same label."""
        of = context.title(self.keys, key) if self.keys is not None and key is not None else ""
        of = self.section.title if self.section.has_twin else of
        return f"{of} · {self.setting.label}" if of else self.setting.label

    def keys_in(self, *rules: ServerRules) -> list[Key]:
        if self.keys is None:
            return [None]
        keys: set[Any] = set()
        return sorted(keys.union(*(self._stored(each) for each in rules)))

    def _stored(self, rules: ServerRules) -> Any:
        return reduce(getattr, self.parents, rules)

    def value(self, rules: ServerRules, key: Key = None) -> Any:
        """Return the value, or the one for a key. None stands for a missing one."""
        found = self._stored(rules)
        return found if self.keys is None else found.get(key)

    def put(self, tree: dict[str, Any], value: Any, key: Key = None) -> None:
        """Set a value in dumped rules. None removes the entry of a map."""
        *parents, last = self.parents
        branch: Any = reduce(lambda inner, part: inner[part], parents, tree)
        if self.keys is None:
            branch[last] = value
        elif value is None:
            branch[last].pop(key, None)
        else:
            branch[last][key] = value


def _declared(model: type[BaseModel], parents: tuple[str, ...], section: Section | None) -> Iterator[Field]:
    """Yield the settings of a model."""
    for name, info in model.model_fields.items():
        here = next((each for each in info.metadata if isinstance(each, Section)), section)
        inner: Any = info.annotation
        path, extra = (*parents, name), info.json_schema_extra
        if isinstance(extra, dict):
            declared: Any = extra["setting"]
            # A map's keys are annotated with what they name.
            key, *value = get_args(inner) or (None,)
            keys = next((each for each in getattr(key, "__metadata__", ()) if isinstance(each, Names)), None)
            adapter = TypeAdapter[Any](
                value[0] | None if keys else Annotated[(inner, declared, *info.metadata)]
            )
            about = f"{declared.about} {_range(adapter.json_schema())}".strip()
            setting = replace(declared, about=about, section=declared.section or here)
            yield Field(setting.section, setting, path, adapter, keys)
        elif isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _declared(inner, path, here)


def _range(schema: Mapping[str, Any]) -> str:
    """Return the limits of a number as a text, unless nobody would reach them."""
    number = schema.get("anyOf", [schema])[0]
    if number.get("maximum", 10**6) >= 10**6:
        return ""
    lowest = f"From {number['minimum']:,} to" if "minimum" in number else "Above 0, up to"
    return f"{lowest} {number['maximum']:,}."


FIELDS: Sequence[Field] = tuple(_declared(ServerRules, (), None))
SECTIONS: Mapping[str, Section] = {field.section.name: field.section for field in FIELDS}


def fields_of(section: Section) -> list[Field]:
    return [field for field in FIELDS if field.section == section]


def keys_of(section: Section) -> Names | None:
    """Return what a section has values for, each with a form of its own, or None if it has one form."""
    return fields_of(section)[0].keys


def section_lines(section: Section, rules: ServerRules, context: SettingsContext) -> list[tuple[str, str]]:
    """Return the labels and values of what is set in a section, or of its map's entries."""
    fields = [field for field in fields_of(section) if field.setting.has_effect(rules)]
    names = keys_of(section)
    if names is None:
        found = [(each.setting, each.value(rules)) for each in fields]
        shown = [(each, value) for each, value in found if value or isinstance(each.kind, Choice)]
        return [(each.label, each.kind.show(value, context)) for each, value in shown]
    lines, unset = [], ServerRules()
    keys = {key for field in fields for key in field.keys_in(rules) if key is not None}
    for key in context.ordered(names, keys):
        values = [(each, each.value(rules, key)) for each in fields]
        told = [
            f"{each.setting.label}: {each.setting.kind.show(value, context)}"
            for each, value in values
            if value != each.value(unset)
        ]
        lines.append((context.title(names, key), " · ".join(told)))
    return lines


def summary(section: Section, rules: ServerRules, context: SettingsContext) -> str:
    lines = section_lines(section, rules, context)
    if keys_of(section) is not None and lines:
        return f"Set for: {listed([label for label, _ in lines], 5)}"
    return " · ".join(f"{label}: {value}" for label, value in lines) or section.none


def describe_changes(before: ServerRules, after: ServerRules, context: SettingsContext) -> list[Change]:
    """Describe each changed setting, for the panel and the audit log.

    For a long list, the new value says what came and went.
    """
    found = []
    for field in FIELDS:
        kind = field.setting.kind
        for key in field.keys_in(before, after):
            old, new = field.value(before, key), field.value(after, key)
            if old == new:
                continue
            had, has = kind.entries(old, context), kind.entries(new, context)
            texts = kind.show(old, context), kind.show(new, context)
            if max(len(had), len(has)) > 5 and had and has:
                moved = {"added": sorted({*has} - {*had}), "removed": sorted({*had} - {*has})}
                parts = [f"{what} {listed(entries)}" for what, entries in moved.items() if entries]
                texts = f"{len(had)} entries", f"{len(has)} entries: {'; '.join(parts)}"
            found.append((field.label(key, context), *texts))
    return found


def without_missing(rules: ServerRules, context: SettingsContext) -> ServerRules:
    """Remove the missing references, without giving anybody more access.

    A GPU or deployment whose permitted roles are all missing stays closed to everybody. While approval is on,
    its missing channel stays set.
    """
    tree = rules.model_dump()
    for field in FIELDS:
        if field.setting.check(rules, context) is not None:
            continue
        for key in field.keys_in(rules):
            is_gone = field.keys is not None and key not in context.known(field.keys)
            value = field.value(ServerRules() if is_gone else rules, key)
            field.put(tree, field.setting.kind.existing(value, context), key)
    return ServerRules.model_validate(tree)


def form_of(
    section: Section, key: Key, rules: ServerRules, context: SettingsContext, *, whole: bool = False
) -> list[FormField]:
    """Return the form's fields for a section, or for a key in it, with `whole` also those without effect.

    A field's name ends with a digest of what it shows, which tells later if that has changed.
    """
    found = []
    for each in fields_of(section):
        if not (whole or each.setting.has_effect(rules)):
            continue
        usual = FormField(name=each.path, label=each.setting.label, description=each.setting.about)
        for name, field in each.setting.kind.fields(usual, each.value(rules, key), context).items():
            found.append(replace(field, name=f"{each.path}:{name}:{_digest(field.values)}"))
    return found


def _digest(values: Sequence[str]) -> str:
    lines = sorted(filter(None, map(str.strip, values)))
    return blake2b("\0".join(lines).encode(errors="replace"), digest_size=4).hexdigest()


def apply_form(
    section: Section,
    key: Key,
    submitted: Mapping[str, Sequence[str]],
    rules: ServerRules,
    context: SettingsContext,
) -> tuple[ServerRules, list[InputError]]:
    """Apply a submitted form, which maps the names of its fields to their values, to the rules.

    Only values that differ from what was shown are applied. Settings that somebody else has changed meanwhile
    are left out, and returned as mistakes. Raises InputErrors with all mistakes if a value is wrong, and
    RefusedError for a form of another version.
    """
    fields = {_place(each): each for each in form_of(section, key, rules, context, whole=True)}
    given: dict[Field, dict[str, Sequence[str]]] = {}
    stale: list[InputError] = []
    for custom_id, values in submitted.items():
        place, _, opened = custom_id.rpartition(":")
        path, _, name = place.rpartition(":")
        field = next((each for each in fields_of(section) if each.path == path), None)
        if field is None or len(values) > (fields[place].most if place in fields else 1_000):
            raise RefusedError("other_version")
        current = _digest(fields[place].values) if place in fields else ""
        if _digest(values) in (opened, current):
            continue
        if current == opened:
            given.setdefault(field, {})[name] = values
        else:
            now = shorten_words(field.setting.kind.show(field.value(rules, key), context), _NOW_LENGTH)
            stale.append(InputError("settings_changed_meanwhile", label=field.label(key, context), now=now))
    after, mistakes = _changed(rules, key, given, context)
    if mistakes:
        raise InputErrors([*stale, *mistakes])
    return after, stale


def _changed(
    rules: ServerRules, key: Key, given: Mapping[Field, Given], context: SettingsContext
) -> tuple[ServerRules, list[InputError]]:
    mistakes: list[InputError] = []
    tree = rules.model_dump()
    for field, values in given.items():
        found: Sequence[InputError] = ()
        try:
            read = field.setting.kind.read(field.value(rules, key), values, context)
            field.put(tree, field.adapter.validate_python(read), key)
        except ValidationError as error:
            found = [_as_input_error(error.errors(include_url=False)[0])]
        except InputError as error:
            found = error.errors if isinstance(error, InputErrors) else [error]
        for mistake in found:
            mistake.params["label"] = field.label(key, context)
        mistakes += found
    after = ServerRules.model_validate(tree)
    codes = {code: field for field in given if (code := field.setting.check(after, context))}
    mistakes += [InputError(code, label=field.label(key, context)) for code, field in codes.items()]
    return after, mistakes


def _as_input_error(details: Any) -> InputError:
    context, value = details.get("ctx", {}), details["input"]
    if value is None:
        return InputError("settings_number_needed")
    shown = escape_line(shown_number(value) if isinstance(value, int | float) else str(value), QUOTED)
    if "le" in context:
        return InputError("settings_too_large", value=shown, limit=f"{context['le']:,.0f}")
    code = "settings_too_small" if "ge" in context else "settings_not_above"
    return InputError(code, value=shown, limit=f"{context.get('ge', context.get('gt')):,.0f}")


def refilled(field: FormField, typed: Mapping[str, Sequence[str]], context: SettingsContext) -> FormField:
    """Return a field with what was typed into it, by the names that the fields of a refused form had."""
    found = next((each for name, each in typed.items() if name.rpartition(":")[0] == _place(field)), None)
    if found is not None and field.shape in (Shape.ROLES, Shape.CHANNEL):
        # Discord refuses a form whose select shows a role or channel that is gone.
        found = [each for each in found if each in {*map(str, context.role_ids | context.channel_ids)}]
    return field if found is None else replace(field, values=tuple(found))


def _place(field: FormField) -> str:
    return field.name.rpartition(":")[0]


def key_of(section: Section, token: str, context: SettingsContext) -> Key:
    """Return the key that a custom_id names. Raises RefusedError if it doesn't exist."""
    names = keys_of(section)
    if names is None:
        return None
    for key in context.known(names):
        if token == str(key):
            return key
    raise RefusedError(f"settings_{names}_unknown")
