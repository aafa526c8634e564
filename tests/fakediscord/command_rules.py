"""The rules of application commands that Discord and its client enforce."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.fakediscord.components import walk as walk_components
from tests.fakediscord.errors import Json, check_length, invalid

COMMANDS = 100
COMMAND_TEXT = 8000
CHAT_INPUT, SUBCOMMAND, GROUP = 1, 1, 2
STRING, INTEGER, NUMBER = 3, 4, 10
_NAME = re.compile(r"^[-_'\w]{1,32}$")
_EXACT = 2**53


def check_commands(commands: list[Json]) -> None:
    """Check a bulk overwrite."""
    chat = [c for c in commands if c.get("type", CHAT_INPUT) == CHAT_INPUT]
    if len(chat) > COMMANDS:
        raise invalid(
            "commands", "APPLICATION_COMMANDS_MAX", "Maximum number of application commands reached"
        )
    names = [(c.get("type", CHAT_INPUT), c["name"]) for c in commands]
    if len(names) != len(set(names)):
        raise invalid(
            "name", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique"
        )
    for number, command in enumerate(commands):
        if command.get("type", CHAT_INPUT) == CHAT_INPUT:
            _check_named(f"{number}", command)
            _check_options(f"{number}", command.get("options") or [])
            _check_text(f"{number}", command)
        else:
            check_length(f"{number}.name", command["name"], 32, 1)
            check_length(f"{number}.description", command.get("description"), 0)


def _check_named(field: str, item: Json) -> None:
    name = str(item.get("name"))
    if not _NAME.match(name) or name != name.lower():
        raise invalid(f"{field}.name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    check_length(f"{field}.description", item.get("description"), 100, 1)


def _check_options(field: str, options: list[Json]) -> None:
    if len(options) > 25:
        raise invalid(f"{field}.options", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    names = [option["name"] for option in options]
    if len(names) != len(set(names)):
        raise invalid(f"{field}.options", "APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATE", "Must be unique")
    required = [bool(o.get("required")) for o in options if o["type"] not in (SUBCOMMAND, GROUP)]
    if required != sorted(required, reverse=True):
        code = "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"
        raise invalid(f"{field}.options", code, "Required options must be placed before non-required options")
    for number, option in enumerate(options):
        place = f"{field}.options.{number}"
        _check_named(place, option)
        if option["type"] in (SUBCOMMAND, GROUP):
            _check_options(place, option.get("options") or [])
        else:
            _check_value_option(place, option)


def _check_value_option(field: str, option: Json) -> None:
    choices = option.get("choices") or []
    if len(choices) > 25 or (choices and option.get("autocomplete")):
        raise invalid(f"{field}.choices", "BASE_TYPE_MAX_LENGTH", "At most 25, and none with autocomplete.")
    for number, choice in enumerate(choices):
        check_choice(f"{field}.choices.{number}", choice)
    if len({c["name"] for c in choices}) != len(choices):
        raise invalid(f"{field}.choices", "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_DUPLICATE", "Not unique")
    for key in ("min_value", "max_value"):
        bound = option.get(key)
        if bound is not None and (option["type"] not in (INTEGER, NUMBER) or abs(bound) > _EXACT):
            raise invalid(f"{field}.{key}", "NUMBER_TYPE_MAX", "Out of range, or not a number's option.")
    for key, least in (("min_length", 0), ("max_length", 1)):
        bound = option.get(key)
        if bound is not None and (option["type"] != STRING or not least <= bound <= 6000):
            raise invalid(f"{field}.{key}", "NUMBER_TYPE_MAX", "Out of range, or not a string's option.")


def check_choice(field: str, choice: Json) -> None:
    check_length(f"{field}.name", choice.get("name"), 100, 1)
    if isinstance(choice["value"], str):
        check_length(f"{field}.value", choice["value"], 100, 1)


def _check_text(field: str, command: Json) -> None:
    """Check the length of names, descriptions and choice values of a whole command."""
    total = 0
    for item in _nested(command):
        total += len(item["name"]) + len(item.get("description") or "")
        total += sum(len(c["name"]) + len(str(c["value"])) for c in item.get("choices") or [])
    if total > COMMAND_TEXT:
        message = f"Command exceeds maximum size ({COMMAND_TEXT})"
        raise invalid(field, "APPLICATION_COMMAND_TOO_LARGE", message)


def _nested(item: Json) -> Iterator[Json]:
    yield item
    for option in item.get("options") or []:
        yield from _nested(option)


def value_mistake(option: Json, value: object) -> str | None:
    """Return why Discord's client would not send this value, or None. Suggestions aren't enforced."""
    kind, name = option["type"], option["name"]
    wanted: dict[int, type | tuple[type, ...]] = {3: str, 4: int, 5: bool, 10: (int, float)}
    if not isinstance(value, wanted.get(kind, object)) or (isinstance(value, bool) and kind != 5):
        return f"{name}: {value!r} is of the wrong type"
    choices = option.get("choices") or []
    if choices and value not in [c["value"] for c in choices]:
        return f"{name}: {value!r} is not a choice"
    size: Any = len(value) if isinstance(value, str) else value
    low = option.get("min_length" if kind == STRING else "min_value")
    high = option.get("max_length" if kind == STRING else "max_value", 6000 if kind == STRING else None)
    measured = isinstance(size, int | float) and kind in (STRING, INTEGER, NUMBER)
    if measured and ((low is not None and size < low) or (high is not None and size > high)):
        return f"{name}: {value!r} is out of range"
    return None


def find_component(components: list[Json], wanted: str) -> Json | None:
    """Return the component with this custom_id or label, or else the first whose label contains `wanted`."""
    nested = list(walk_components(components))
    for key in ("custom_id", "label"):
        for component in nested:
            if component.get(key) == wanted:
                return component
    labelled = (c for c in nested if wanted and wanted.lower() in str(c.get("label") or "").lower())
    return next(labelled, None)
