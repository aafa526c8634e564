"""Make names and descriptions valid in Discord."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

NAME_LENGTH = 32
DESCRIPTION_LENGTH = 100
# The names of the bot's own options.
MORE, GPU, COUNT, PRESET, PRIVATE = "more", "gpu", "count", "preset", "private"
RESERVED = frozenset({MORE, GPU, COUNT, PRESET, PRIVATE})
# Discord's pattern allows letters, numbers, `-`, `_`, and the Thai and Devanagari combining marks. The ranges
# are the same as in discord.py.
_THAI = "\u0e31-\u0e3a\u0e47-\u0e4e"
_DEVANAGARI = "\u0900-\u0903\u093a-\u093c\u093e\u093f\u0940-\u094f\u0955-\u0957\u0962\u0963"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_REFUSED = re.compile(rf"[^-_\w{_THAI}{_DEVANAGARI}]+")


def slug(text: str, fallback: str = "input") -> str:
    """Convert `text` to a name that Discord accepts: lower case, words joined by `_`, 1 to 32 characters."""
    # Cut first: NFKC can expand one character into 18.
    lowered = unicodedata.normalize("NFKC", text[: NAME_LENGTH * 8]).lower()
    return _REFUSED.sub("_", lowered).strip("_")[:NAME_LENGTH].strip("_") or fallback


def acceptable(name: str) -> bool:
    """Return whether Discord accepts the name unchanged as an option or subcommand."""
    return 0 < len(name) <= NAME_LENGTH and name == name.lower() and not _REFUSED.search(name)


def unique(name: str, taken: Collection[str], *, room: int = 0, first: int = 2) -> str:
    """Return `name`, numbered from `first` if it is taken, leaving room for `room` more characters."""
    length = NAME_LENGTH - room
    candidate, number = name[:length], first
    while candidate in taken:
        ending = f"_{number}"
        candidate, number = name[: length - len(ending)] + ending, number + 1
    return candidate


def one_line(text: str) -> str:
    """Join the lines of a description. If the text is invisible, return an empty string instead, because
    Discord might refuse invisible text.
    """
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if any(char.isprintable() and not char.isspace() for char in line) else ""
