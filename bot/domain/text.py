"""Text from people and machines, made safe to show: no pings, no broken layout, no passed limit."""

from __future__ import annotations

import re
import unicodedata

# PostgreSQL refuses NUL in text and terminals obey the rest; a text output keeps its lines and tabs.
_CONTROL = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n\r"}


def clean_text(text: str, limit: int) -> str:
    """Without control characters, at most `limit` long."""
    text = text[: limit * 2]
    # Most is plain; looking whether it is takes a small part of the time that the removal takes.
    return text[:limit] if text.isprintable() else text.translate(_CONTROL)[:limit]


_BREAKS = re.compile(r"\s+")
# Marks that mean something anywhere in a line (Discord reads mentions, timestamps and custom emoji from `<`,
# bare ones from `@`) and at its beginning. Our own, because discord.py's escape_markdown takes all between
# the first `[` and the last `)` for one link and leaves the marks in there alone.
_MARKS = re.compile(r"[\\*_~|`\[<@]|^[#>-]|^\d+(?=\.)")
# Indented, aligned, or code.
_LAID_OUT = re.compile(r"^\s|\t|\S {2,}\S|```|^[{}\[\]]")


def strip_invisible(text: str) -> str:
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


def escape_line(text: str, limit: int) -> str:
    """A person's words on one line: shortened first, so that no escape is cut in half, then escaped."""
    return _MARKS.sub(_escaped, shorten(strip_invisible(text), limit))


def escape_prose(text: str) -> str | None:
    """Sentences with their line breaks, escaped; None for text whose layout means something."""
    lines = text.rstrip().strip("\n").splitlines()
    if any(_LAID_OUT.search(line) for line in lines):
        return None
    return "\n".join(escape_line(line, len(line) + 1) for line in lines)


def _escaped(mark: re.Match[str]) -> str:
    found = mark.group()
    return f"{found}\\" if found[0].isdigit() else f"\\{found}"


_LENGTH = 100


def excerpt(text: str) -> str:
    """Quoted, and not longer than it takes to recognize it."""
    return repr(text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…")


def channel_url(guild_id: int | None, channel_id: int) -> str:
    """A link that opens the channel for whoever can see it."""
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}"


def message_url(guild_id: int | None, channel_id: int, message_id: int) -> str:
    """Discord's link to a message; without a server it lies in direct messages."""
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}"
