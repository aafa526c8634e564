"""The rules of application commands that Discord and its client enforce."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.fakediscord.errors import Json, Sizes, check_sizes, invalid
from tests.fakediscord.world import Attachment, User

COMMANDS = 100
COMMAND_TEXT = 8000
CHAT_INPUT, SUBCOMMAND, GROUP = 1, 1, 2
STRING, INTEGER, BOOLEAN, USER, NUMBER, ATTACHMENT = 3, 4, 5, 6, 10, 11
# Python's \w, which is narrower than \p{L}\p{N}, with two scripts' marks.
_NAME = re.compile(r"^[-_'\w\u0900-\u0963\u0e31-\u0e4e]{1,32}$")
_EXACT = 2**53
_TYPES: dict[int, type | tuple[type, ...]] = {
    STRING: str,
    INTEGER: int,
    BOOLEAN: bool,
    USER: User,
    NUMBER: (int, float),
    ATTACHMENT: Attachment,
}
# The options' bounds, with the types that have them, and the least and largest value.
_BOUNDS = (
    ("min_value", (INTEGER, NUMBER), -_EXACT, _EXACT),
    ("max_value", (INTEGER, NUMBER), -_EXACT, _EXACT),
    ("min_length", (STRING,), 0, 6000),
    ("max_length", (STRING,), 1, 6000),
)


def check_commands(commands: list[Json]) -> None:
    """Check a bulk overwrite."""
    chat = [c for c in commands if c.get("type", CHAT_INPUT) == CHAT_INPUT]
    if len(chat) > COMMANDS:
        raise invalid("commands", "Maximum number of application commands reached")
    _check_unique("name", [(c.get("type", CHAT_INPUT), c["name"]) for c in commands])
    for number, command in enumerate(commands):
        if command in chat:
            _check_named(f"{number}", command)
            _check_text(f"{number}", command)
        else:
            check_sizes(f"{number}", command, {"name": (1, 32), "description": (0, 0)})


def _check_unique(field: str, names: list[Any]) -> None:
    if len(names) != len(set(names)):
        raise invalid(field, "Must be unique")


def _check_named(field: str, item: Json) -> None:
    """Check a command, a subcommand or an option."""
    name, options = str(item.get("name")), item.get("options") or []
    if not _NAME.match(name) or name != name.lower():
        raise invalid(f"{field}.name", "Command name is invalid")
    check_sizes(field, item, {"description": (1, 100), "options": (0, 25), "choices": (0, 25)})
    _check_unique(f"{field}.options", [option["name"] for option in options])
    required = [bool(o.get("required")) for o in options if o["type"] not in (SUBCOMMAND, GROUP)]
    if required != sorted(required, reverse=True):
        raise invalid(f"{field}.options", "Required options must be placed before non-required options")
    for number, option in enumerate(options):
        _check_named(f"{field}.options.{number}", option)
        _check_values(f"{field}.options.{number}", option)


def _check_values(field: str, option: Json) -> None:
    choices = option.get("choices") or []
    if choices and option.get("autocomplete"):
        raise invalid(f"{field}.choices", "Not with autocomplete.")
    for number, choice in enumerate(choices):
        check_choice(f"{field}.choices.{number}", choice)
    _check_unique(f"{field}.choices", [choice["name"] for choice in choices])
    for key, kinds, least, most in _BOUNDS:
        bound = option.get(key)
        if bound is not None and (option["type"] not in kinds or not least <= bound <= most):
            raise invalid(f"{field}.{key}", "Out of range, or not an option's of this type.")


def check_choice(field: str, choice: Json) -> None:
    sizes: Sizes = {"name": (1, 100)} | ({"value": (1, 100)} if isinstance(choice["value"], str) else {})
    check_sizes(field, choice, sizes)


def _check_text(field: str, command: Json) -> None:
    """Check the length of names, descriptions and choice values of a whole command."""
    total = 0
    for item in _nested(command):
        total += len(item["name"]) + len(item.get("description") or "")
        total += sum(len(c["name"]) + len(str(c["value"])) for c in item.get("choices") or [])
    if total > COMMAND_TEXT:
        raise invalid(field, f"Command exceeds maximum size ({COMMAND_TEXT})")


def _nested(item: Json) -> Iterator[Json]:
    yield item
    for option in item.get("options") or []:
        yield from _nested(option)


def value_mistake(option: Json, value: object) -> str | None:
    """Return why Discord's client would not send this value, or None. Suggestions aren't enforced."""
    kind, name = option["type"], option["name"]
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != BOOLEAN):
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
