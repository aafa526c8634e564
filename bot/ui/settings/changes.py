"""Describe the changes to settings for the audit log, with plain names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

from bot.domain.settings.fields import FIELDS, Field, Kind
from bot.domain.settings.rules_and_defaults import ServerRules, diff_rules
from bot.domain.settings.values import Names
from bot.domain.text import escape_line, strip_invisible
from bot.strings import say
from bot.ui.settings.text import counted, listed

_OF_LISTS = ("added", "removed")
_ENTRIES = 1000  # how many entries of a list are written out
_LENGTH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """Functions that return the names of roles, channels and deployments."""

    role: Callable[[int], str]
    channel: Callable[[int | None], str]
    title: Callable[[str], str]

    def name(self, names: Names, name: str) -> str:
        """Return the title of a deployment, or the name of a GPU."""
        return strip_invisible(self.title(name) if names is Names.DEPLOYMENT else name)


class Server(Protocol):
    """A server as the gateway caches it."""

    def role_name(self, role_id: int) -> str: ...
    def channel_name(self, channel_id: int) -> str: ...


def readable_changes(
    before: ServerRules, after: ServerRules, server: Server, title: Callable[[str], str]
) -> list[tuple[str, str, str]]:
    """Return the label, the old text and the new one, escaped, of each setting that an edit changed."""
    naming = Naming(
        role=server.role_name,
        channel=lambda id: server.channel_name(id) if id is not None else say("settings_none_chosen"),
        title=title,
    )
    changes: Mapping[str, Any] = diff_rules(before, after)
    read = (_read(path, change, naming) for path, change in changes.items())
    return [change for change in read if change is not None]


def _read(path: str, change: Mapping[str, Any], naming: Naming) -> tuple[str, str, str] | None:
    """Return None if the old and the new value read the same."""
    label, value = _setting(path, naming)
    label = escape_line(label.rstrip(":"), 60)
    if set(_OF_LISTS) & change.keys():
        parts = [
            say(f"settings_{how}", entries=listed(map(value, change[how]), _ENTRIES))
            for how in _OF_LISTS
            if change.get(how)
        ]
        return label, "", escape_line("; ".join(parts), _LENGTH)
    old, new = value(change.get("from")), value(change.get("to"))
    return (label, escape_line(old, _LENGTH), escape_line(new, _LENGTH)) if old != new else None


Value = Callable[[Any], str]  # formats a stored value, or an entry of a list


def _setting(path: str, naming: Naming) -> tuple[str, Value]:
    """Return the label and the formatter of the setting at a path."""
    field = next(each for each in FIELDS.values() if f"{path}.".startswith(f"{each.path}."))
    return _SETTING[field.kind](field, path[len(field.path) + 1 :], naming)


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
        return listed(roles, _ENTRIES) if roles else say("settings_nobody")

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
        Kind.WORDS: lambda field, _, __: _plain(field, strip_invisible),
    }
)
