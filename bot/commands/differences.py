"""Whether Discord has the commands that the bot would send: it adds fields and leaves out defaults. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_CHAT_INPUT = 1
_OPTION_FIELDS = ("name", "type", "description", "choices", "channel_types", "autocomplete", "required")
_LIMITS = ("min_value", "max_value", "min_length", "max_length")


@dataclass(frozen=True, slots=True)
class Differences:
    """Names as a person types them, sorted."""

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.surplus)


def differences(wanted: Iterable[Mapping[str, Any]], there: Iterable[Mapping[str, Any]]) -> Differences:
    ours = {_name(command): _normal(command) for command in wanted}
    theirs = {_name(command): _normal(command) for command in there}
    return Differences(
        missing=tuple(sorted(ours.keys() - theirs.keys())),
        changed=tuple(sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])),
        surplus=tuple(sorted(theirs.keys() - ours.keys())),
    )


def _name(command: Mapping[str, Any]) -> str:
    name = str(command["name"])
    return f"/{name}" if command.get("type", _CHAT_INPUT) == _CHAT_INPUT else f"'{name}'"


def _normal(command: Mapping[str, Any]) -> dict[str, Any]:
    permissions = command.get("default_member_permissions")
    return {
        "description": command.get("description") or "",
        "options": [_option(option) for option in command.get("options") or ()],
        "permissions": None if permissions is None else int(permissions),
        "nsfw": bool(command.get("nsfw")),
        # Absent means Discord's default, which is what the bot sends in full.
        "contexts": _numbers(command.get("contexts")),
        "installs": _numbers(command.get("integration_types")),
    }


def _option(option: Mapping[str, Any]) -> dict[str, Any]:
    normal = {name: option.get(name) or None for name in _OPTION_FIELDS}
    normal |= {name: option.get(name) for name in _LIMITS}
    normal["choices"] = [(choice["name"], choice["value"]) for choice in option.get("choices") or ()]
    normal["options"] = [_option(inner) for inner in option.get("options") or ()]
    return normal


def _numbers(values: Iterable[int] | None) -> list[int] | None:
    return None if values is None else sorted(values)
