"""Describe the changes to settings that the audit log has stored: old and new values by path.

`bot.ui.settings.text.describe_changes` needs the whole rules before and after an edit, but an audit entry
holds only the values that have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from bot.domain.moderation.audit import DEFAULT_PRESET, PRESETS
from bot.domain.settings.fields import FIELDS, Field, Kind
from bot.domain.settings.values import Names, SettingsContext
from bot.domain.text import escape_line, strip_invisible
from bot.strings import say
from bot.ui.settings.text import channel_name, counted, listed, role_name, shorten_line

_NAME_LENGTH = 60
_OF_LISTS = ("added", "removed", "replaced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """Functions that return the names of roles, channels and deployments as a message or a file shows them.

    `text` escapes or cleans a text, and may cut it to a length. `line` may shorten a value. `entries` is how
    many entries of a list are written out.
    """

    role: Callable[[int], str]
    channel: Callable[[int | None], str]
    title: Callable[[str], str]
    text: Callable[[str, int], str]
    line: Callable[[str], str]
    entries: int

    def name(self, names: Names, name: str) -> str:
        """Return the title of a deployment, or the name of a GPU."""
        return self.text(self.title(name) if names is Names.DEPLOYMENT else name, _NAME_LENGTH)


def in_message(context: SettingsContext, title: Callable[[str], str]) -> Naming:
    """Return the naming for a message in Discord: mentions and escaped names."""
    return Naming(
        role=lambda role: role_name(role, context),
        channel=lambda channel: channel_name(channel, context),
        title=title,
        text=escape_line,
        line=shorten_line,
        entries=4,
    )


def in_file(role: Callable[[int], str], channel: Callable[[int], str], title: Callable[[str], str]) -> Naming:
    """Return the naming for a file: plain names."""
    return Naming(
        role=role,
        channel=lambda id: channel(id) if id is not None else say("settings_none_chosen"),
        title=title,
        text=lambda text, _limit: strip_invisible(text),
        line=lambda text: text,
        entries=1000,
    )


def stored_changes(changes: object, naming: Naming) -> Iterator[tuple[str, str]]:
    """Yield a label and `old → new` for each setting that an entry's `changes` hold.

    Yields nothing for an entry of an older version that stored no values.
    """
    if not isinstance(changes, Mapping):
        return
    for path, change in changes.items():
        if not isinstance(change, Mapping):
            continue
        label, value = _setting(str(path), naming)
        text = _difference(change, value, naming)
        if text:
            yield label, text


Value = Callable[[Any], str]  # formats a stored value, or an entry of a list


def _setting(path: str, naming: Naming) -> tuple[str, Value]:
    """Return the label and the formatter of the setting at a path.

    Another version may have stored a path that this one doesn't know. The path is then its own label.
    """
    if path in (PRESETS, DEFAULT_PRESET):
        return say(f"settings_label_{path}"), partial(_preset_name, naming)
    for field in FIELDS.values():
        if path == field.path or path.startswith(f"{field.path}."):
            return _SETTING[field.kind](field, path[len(field.path) + 1 :], naming)
    return f"{naming.text(path, _NAME_LENGTH)}:", lambda value: naming.text(str(value), _NAME_LENGTH)


def _preset_name(naming: Naming, name: Any) -> str:
    return naming.text(str(name), _NAME_LENGTH) if name is not None else say("settings_none_chosen")


def _difference(change: Mapping[str, Any], value: Value, naming: Naming) -> str:
    """Return `old → new`, or the entries that were added to, removed from and replaced in a list.

    Returns an empty string if the old and the new value read the same.
    """
    if set(_OF_LISTS) & change.keys():
        parts = [
            say(f"settings_{how}", entries=listed(map(value, change[how]), naming.entries))
            for how in _OF_LISTS
            if change.get(how)
        ]
        return "; ".join(parts)
    old, new = value(change.get("from")), value(change.get("to"))
    return f"{naming.line(old)} → {naming.line(new)}" if old != new else ""


def _plain(field: Field, value: Value) -> tuple[str, Value]:
    return say(f"settings_label_{field.name}"), value


def _choice(field: Field, _rest: str, _naming: Naming) -> tuple[str, Value]:
    names = {stored: name for name, stored in field.choices}

    def value(stored: Any) -> str:
        return say(f"settings_{field.name}_{names[stored]}") if stored in names else str(stored)

    return _plain(field, value)


def _role(field: Field, _rest: str, naming: Naming) -> tuple[str, Value]:
    def value(role: Any) -> str:
        return naming.role(int(role)) if role is not None else say("settings_none_chosen")

    return _plain(field, value)


def _roles_by_name(field: Field, name: str, naming: Naming) -> tuple[str, Value]:
    def value(stored: Any) -> str:
        """Format one role or a list of roles. None stands for everybody, and an empty list for nobody."""
        if stored is None:
            return say("settings_everybody")
        if not isinstance(stored, list):
            return naming.role(int(stored))
        roles = [naming.role(int(role)) for role in stored]
        return listed(roles, naming.entries) if roles else say("settings_nobody")

    return f"{naming.name(field.names, name)}:", value


def _numbers(field: Field, rest: str, naming: Naming) -> tuple[str, Value]:
    role, _, name = rest.rpartition(".")
    if field.per_role:
        return f"{naming.role(int(role))}:", partial(_limit, name, "settings_not_set")
    if field.unit:
        return say(f"settings_label_{name}"), partial(_days, field.unit, name)
    return _plain(field, partial(_limit, name, "settings_no_limit"))


def _days(unit: str, name: str, days: Any) -> str:
    return counted(f"settings_{unit}", days) if days else say(f"settings_any_{name}")


def _limit(name: str, without: str, stored: Any) -> str:
    """Format a limit. `without` is the code of the text for a limit that isn't set.

    The mark that lifts all limits of a role is stored as True or False instead of a number.
    """
    if stored is None or stored is False:
        return say(without)
    return say("settings_no_limit") if stored is True else say(f"settings_limit_{name}", count=stored)


def _weight(field: Field, gpu: str, naming: Naming) -> tuple[str, Value]:
    label = f"{say(f'settings_label_{field.name}')} {naming.name(field.names, gpu)}:"
    return label, lambda factor: f"{factor if factor is not None else 1:g}"


_SETTING: Mapping[Kind, Callable[[Field, str, Naming], tuple[str, Value]]] = MappingProxyType(
    {
        Kind.CHOICE: _choice,
        Kind.CHANNEL: lambda field, _, naming: _plain(field, naming.channel),
        Kind.ROLE: _role,
        Kind.ROLES: _role,
        Kind.NAMES: lambda field, _, naming: _plain(field, partial(naming.name, field.names)),
        Kind.ROLES_BY_NAME: _roles_by_name,
        Kind.NUMBER: lambda field, _, __: _plain(field, partial(counted, f"settings_{field.unit}")),
        Kind.NUMBERS: _numbers,
        Kind.NUMBER_BY_NAME: _weight,
        Kind.UNLIMITED: _numbers,
        Kind.WORDS: lambda field, _, naming: _plain(field, lambda word: naming.text(word, _NAME_LENGTH)),
    }
)
