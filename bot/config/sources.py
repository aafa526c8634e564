"""Read what is given for settings in the environment, `.env` and files of secrets, and find unknown names.

Which settings there are, and what their values must be, is up to `Settings`.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from errno import ELOOP
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from bot.domain.errors import reason_of

ENV_FILE = Path(".env")
# Settings of earlier versions, and what to do instead.
_REMOVED = {
    "ALLOW_PRIVATE_MEDIA_HOSTS": "Set ALLOW_PRIVATE_MEDIA_NETWORKS instead.",
    "COMMAND_GUILD_IDS": "Remove it; ALLOWED_GUILD_IDS limits the servers that may use the bot.",
}
# Variables of Docker Compose and the picture checker, which .env may contain; and one of many frameworks.
_OTHERS = re.compile(
    "(COMPOSE|DOCKER|BUILDKIT)_.*|BOT_IMAGE|POSTGRES_PASSWORD|DATABASE_USER"
    "|PICTURE_CHECK_(HOST|MAX_PIXELS|PACKAGES|PORT)"
)
# Other text may be a secret that was pasted into a line of its own, so it isn't quoted.
_NAME = re.compile("[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Sources:
    """What `.env` and the environment give, how to call each name in `.env`, and what is wrong there."""

    file: Mapping[str, str]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    mistakes: Sequence[str]


def read_sources(environment: Mapping[str, str]) -> Sources:
    """Read `.env` and the environment, which takes precedence. An empty value counts as unset in both."""
    bindings, wrong = list[Binding](), list[str]()
    try:
        is_there = ENV_FILE.exists() or ENV_FILE.is_symlink()
        text = ENV_FILE.read_text(encoding="utf-8") if is_there else ""
        # `dotenv_values` only logs what it can't parse, and the bot would start without that setting.
        bindings = [*parse_stream(StringIO(text))]
    except (OSError, UnicodeDecodeError) as error:
        is_missing = isinstance(error, FileNotFoundError) or getattr(error, "errno", 0) == ELOOP
        reason = "it is a link to a file that doesn't exist" if is_missing else reason_of(error)
        wrong = [f"{ENV_FILE} can't be read ({reason}). It must be a text file that the bot's user may read."]
    wrong += [f"{ENV_FILE}, line {_line(each)}, is not NAME=value." for each in bindings if each.error]
    found = {each.key: each for each in bindings if each.key is not None}
    labels = {
        key.upper(): f"{key} in {ENV_FILE}"
        if _NAME.fullmatch(key) and binding.value is not None
        else f"Line {_line(binding)} of {ENV_FILE}"
        for key, binding in found.items()
    }
    file = _without_empty({key: binding.value for key, binding in found.items()})
    return Sources(file, _without_empty(environment), labels, wrong)


def _without_empty(values: Mapping[str, str | None]) -> dict[str, str]:
    """Return the values that aren't empty, without white space around them, by upper-case name."""
    return {name.upper(): value.strip() for name, value in values.items() if value and value.strip()}


def _line(binding: Binding) -> int:
    """Return the number of a binding's line. The parser counts blank lines before it as part of it."""
    text, line = binding.original
    return line + text.count("\n", 0, len(text) - len(text.lstrip()))


def read_secrets(values: dict[str, str], secrets: Collection[str]) -> Iterator[str]:
    """Replace each NAME_FILE of a secret by NAME with the file's content, and yield what is wrong.

    The sentences don't quote the path, which may be the secret itself.
    """
    for name in secrets:
        if (path := values.pop(f"{name}_FILE", None)) is None:
            continue
        if values.pop(name, None) is not None:
            yield f"{name} and {name}_FILE are both set. Remove one of them, also from {ENV_FILE}."
            continue
        try:
            # A pipe would wait for a writer, and /dev/zero has no end.
            is_other = (file := Path(path)).exists() and not file.is_file()
            text = "" if is_other else file.read_text(encoding="utf-8-sig").strip()
        except (OSError, ValueError) as error:
            remedy = "Name a text file that the bot's user may read."
            yield f"{name}: the file of {name}_FILE can't be read ({reason_of(error)}). {remedy}"
            continue
        if is_other:
            yield f"{name}: the file of {name}_FILE is no regular file. Name a text file."
        elif text:
            values[name] = text
        else:
            yield f"{name}: the file of {name}_FILE is empty. Write {name} into it, and nothing else."


def hints(sources: Sources, known: Collection[str], secrets: Collection[str]) -> Iterator[str]:
    """Yield sentences about unknown names, in the environment only those close to one, or an open `.env`."""
    known = {*known, *(f"{name}_FILE" for name in secrets)}
    for name in {**sources.environment, **sources.labels}:
        if name in known or _OTHERS.fullmatch(name):
            continue
        like = [*difflib.get_close_matches(name, known, n=1, cutoff=0.85), f"{name}_SECONDS"]
        close = next((each for each in like if each in known), name.removesuffix("_FILE"))
        said = f"{sources.labels.get(name, name)} is not a setting of this bot"
        if name in _REMOVED:
            yield f"{said} any more. {_REMOVED[name]}"
        # The environment holds other programs' variables, such as APP_LOG_LEVEL.
        elif close in known and (name in sources.labels or not name.endswith(f"_{close}")):
            yield f"{said}. Did you mean {close}?"
        elif name in sources.labels:
            yield f"{said}."
    held = [name for name, value in sources.file.items() if name in secrets and value[:6] != "sqlite"]
    if held and os.name == "posix" and ENV_FILE.stat().st_mode & 0o004:
        remedy = f"Let it belong to the bot's user, and run chmod 600 {ENV_FILE}."
        yield f"{ENV_FILE} holds secrets, and every user of this machine can read it. {remedy}"
