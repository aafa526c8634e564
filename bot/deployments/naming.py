"""Names and descriptions that Discord accepts, made from ones that it might not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

NAME_LENGTH = 32
DESCRIPTION_LENGTH = 100
# Options that the bot itself puts beside a deployment's inputs, now or in a later version.
RESERVED = frozenset({"gpu", "more", "count", "preset"})
# Discord's pattern takes letters, numbers, `-` and `_`, and of the combining marks only the Thai and
# Devanagari ones; these are the ranges that discord.py checks for.
_THAI = "\u0e31-\u0e3a\u0e47-\u0e4e"
_DEVANAGARI = "\u0900-\u0903\u093a-\u093c\u093e\u093f\u0940-\u094f\u0955-\u0957\u0962\u0963"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_REFUSED = re.compile(rf"[^-_\w{_THAI}{_DEVANAGARI}]+")


def slug(text: str, fallback: str = "input") -> str:
    """`text` as a name that Discord takes: lower case, words joined by `_`, 1 to 32 characters."""
    lowered = unicodedata.normalize("NFKC", text).lower()
    return _REFUSED.sub("_", lowered).strip("_")[:NAME_LENGTH].strip("_") or fallback


def acceptable(name: str) -> bool:
    """Whether Discord takes it as it stands, as the name of an option or a subcommand."""
    return 0 < len(name) <= NAME_LENGTH and name == name.lower() and not _REFUSED.search(name)


def unique(name: str, taken: Collection[str], *, room: int = 0) -> str:
    """`name`, or with a number behind it when it is taken; leaves `room` characters for an ending."""
    length = NAME_LENGTH - room
    candidate, number = name[:length], 2
    while candidate in taken:
        ending = f"_{number}"
        candidate, number = name[: length - len(ending)] + ending, number + 1
    return candidate


def one_line(text: str) -> str:
    """Descriptions come with line breaks; Discord shows one line. Empty where nothing of it can be seen,
    which Discord might refuse, and with it the whole command."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if any(char.isprintable() and not char.isspace() for char in line) else ""


def shorten(text: str, length: int) -> str:
    """`text` in at most `length` characters, with an ellipsis where something was cut."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
