"""Text from people and machines, made safe to show: no pings, no broken layout, no passed limit."""

from __future__ import annotations

import re
import unicodedata

from discord.utils import escape_markdown

_BREAKS = re.compile(r"\s+")
# Discord reads mentions, timestamps and custom emoji from `<`, bare ones from `@`.
_SPECIAL = re.compile(r"([<@])")


def visible(text: str) -> str:
    """Without control, zero-width and direction characters, white space folded into single spaces."""
    kept = "".join(
        " " if char.isspace() else char
        for char in text
        if char.isspace() or unicodedata.category(char)[0] != "C"
    )
    return _BREAKS.sub(" ", kept).strip()


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, an ellipsis for the rest."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def quoted(text: str, limit: int) -> str:
    """A person's words on one line: shortened first, so that no escape is cut in half, then escaped."""
    plain = escape_markdown(shorten(visible(text), limit), ignore_links=False)
    return _SPECIAL.sub("\\\\\\1", plain)
