"""Clean, shorten and escape text, build links to Discord, parse and show numbers, and name results' files."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal

# Discord's limit for the characters of a classic message.
CONTENT_TEXT = 2000

# PostgreSQL rejects NUL in text, and terminals interpret the other control characters. Text outputs keep line
# breaks and tabs.
_CONTROL = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n\r"}


def clean_text(text: str, limit: int) -> str:
    """Remove control characters except tabs and line breaks, and cut to `limit` characters."""
    text = text[: limit * 2]
    # Most text is printable, and checking that is much faster than translating.
    return text[:limit] if text.isprintable() else text.translate(_CONTROL)[:limit]


# Markdown that works anywhere in a line (Discord reads mentions, timestamps and custom emoji from `<`, bare
# mentions from `@`, and makes a link of any address with `://` and an invite of `discord.gg/…` even without
# a scheme) and at its start. discord.py's escape_markdown won't do: it takes everything from the first `[` to
# the last `)` for one link and leaves the marks inside unescaped.
_MARKS = re.compile(
    r"[\\*_~|`\[\]<@]|:(?=//)|(?<=discord\.gg)/|(?<=discord\.com)/(?=invite)|(?<=discordapp\.com)/(?=invite)"
    r"|^[#>-]|^\d+(?=\.)",
    re.IGNORECASE,
)
# Indented or aligned text, or code.
_LAID_OUT = re.compile(r"^\s|\t|\S {2,}\S|```|^[{}\[\]]")
# Emoji and scripts such as Persian and Hindi need these between characters: zero-width non-joiner and joiner.
JOINERS = "\u200c\u200d"
# What draws nothing alone: joiners and variation selectors.
_UNDRAWN = JOINERS + "".join(map(chr, range(0xFE00, 0xFE10)))


def strip_invisible(text: str) -> str:
    """Remove control, zero-width and direction characters, and collapse white space.

    Joiners stay, except at the start of a word. Return an empty string if no visible character is left.
    """
    if text.isascii() and text.isprintable():  # most of what people type
        return " ".join(text.split())
    kept = "".join(filter(_is_kept, text))
    return " ".join(filter(None, (word.lstrip(_UNDRAWN) for word in kept.split())))


def folded(text: str) -> str:
    """Strip and case-fold text for the comparison of texts that look alike, without invisible joiners."""
    plain = text.translate(dict.fromkeys(map(ord, JOINERS))).strip()
    return plain.encode(errors="replace").decode().casefold()


def _is_kept(char: str) -> bool:
    # Emoji that are newer than Python's tables are unassigned characters in their blocks.
    is_visible = unicodedata.category(char)[0] != "C" or "\U0001f000" <= char <= "\U0001faff"
    return is_visible or char in JOINERS or char.isspace()


# The length of a wrong value that a message quotes.
QUOTED = 40


def shorten(text: str, limit: int) -> str:
    """Cut to `limit` characters, with an ellipsis if anything was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip(JOINERS).rstrip() + "…"


def shorten_words(text: str, limit: int) -> str:
    """Shorten text between words, since clients would show half a mention as raw text."""
    if len(text) <= limit:
        return text
    words, space, _ = text[:limit].rpartition(" ")
    return f"{words} …" if space else shorten(text, limit)


def listed(entries: Iterable[str], limit: int | None = None) -> str:
    """Join entries, and say how many were left out."""
    shown = list(entries)
    rest = len(shown[limit:]) if limit is not None else 0
    return ", ".join(shown[:limit]) + (f" and {rest} more" if rest else "")


def escape_line(text: str, limit: int) -> str:
    """Put text on one line, shorten it to `limit` characters, and escape its Markdown, links included.

    Shortening comes first, so that no escape is cut in half.
    """
    return _MARKS.sub(_escaped, shorten(strip_invisible(text), limit))


def in_code(text: str, limit: int) -> str:
    """Put text on one line, shorten it, and replace its backticks, for use between backticks."""
    return shorten(strip_invisible(text).replace("`", "'"), limit)


def sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def escape_prose(text: str) -> str | None:
    """Escape text and keep its line breaks. Return None for code, and for indented or aligned text."""
    lines = text.rstrip().strip("\n").splitlines()
    if any(_LAID_OUT.search(line) for line in lines):
        return None
    return "\n".join(escape_line(line, len(line) + 1) for line in lines)


def _escaped(mark: re.Match[str]) -> str:
    text = mark.group()
    return f"{text}\\" if text[0].isdigit() else f"\\{text}"


def channel_url(guild_id: int | None, channel_id: int) -> str:
    """Return a link to a channel, which works for users who can see it."""
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}"


def message_url(guild_id: int | None, channel_id: int, message_id: int) -> str:
    """Return a link to a message. `guild_id` is None for a direct message."""
    return f"{channel_url(guild_id, channel_id)}/{message_id}"


# Nobody types a number longer than this.
NUMBER_LENGTH = 100
# Accept decimal notation, but not Python's `1_0` or `nan`. "1.000" is 1 to some people and 1000 to others, so
# it isn't a whole number.
_INTEGER = re.compile(r"[+-]?\d++(?:\.0{0,2})?")
# Possessive, so that each digit can match in only one way: backtracking would take quadratic time.
_FLOAT = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d{1,4})?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?(?!0)\d{1,3}([ ,_])\d{3}(?:\1\d{3})*(?:\.\d*)?")
# The marks that full-width, Arabic and typographic keyboards insert.
_NUMBER_MARKS = str.maketrans(
    {"\uff0e": ".", "\uff0c": ",", "\uff0b": "+", "\uff0d": "-", "\u2212": "-", "\u066b": ".", "\u066c": ","}
)
# Nobody reads the digits of numbers beyond these.
_TINY, _HUGE = 1e-9, 10**24


def typed_number(text: str) -> float | None:
    """Parse a number in any script's digits, such as `.5`, `5,5`, `1,000`, or `1e3`.

    A comma before exactly three digits separates thousands. Return None for other text, and for numbers that
    no float holds.
    """
    plain = _plain(text)
    if not _FLOAT.fullmatch(plain):
        return None
    number = float(plain)
    return number if math.isfinite(number) else None


def typed_integer(text: str) -> int | None:
    """Parse a whole number, as `typed_number` does. Return None for other text."""
    plain = _plain(text)
    return int(plain.partition(".")[0]) if _INTEGER.fullmatch(plain) else None


def shown_number(value: int | float) -> str:
    """Return a number as users type it: 999 and not 999.0, and 1e98 instead of 99 digits."""
    if value and not _TINY <= abs(value) < _HUGE:
        return repr(value) if abs(value) < _TINY else f"{value:.6g}".replace("e+", "e")
    return f"{Decimal(repr(value)).normalize():f}"


def _plain(text: str) -> str:
    """Return a number with a decimal point and without separators, or text that isn't a number."""
    plain = " ".join(text.translate(_NUMBER_MARKS).split()) if len(text) <= NUMBER_LENGTH else ""
    if separated := _THOUSANDS.fullmatch(plain):
        return plain.replace(separated[1], "")
    return plain.replace(",", ".")


# A result's file is named after its deployment, its run's key and its number, as in
# `flux-k3v9x2m7q4t8w1zb-2.png`. A prefix such as `SPOILER_` may come first. The key is at the end of
# the name, or of a link to the file.
_KEY = re.compile(r"-([a-z0-9]{1,20})-(\d{1,4})\.[^-/?]*(?:\?|\Z)")
_AT_DISCORD = re.compile(r"https://(?:cdn|media)\.discordapp\.(?:com|net)(/[^?#]*)")


def file_stem(deployment: str, key: str, number: int | None = None) -> str:
    """Return the name of a run's file without its suffix. The file of the run's texts has no number."""
    return f"{deployment}-{key}" if number is None else f"{deployment}-{key}-{number}"


def belongs_to(name: str, key: str) -> bool:
    """Return whether a file is one of the run `key`, by its name or a link to it."""
    return f"-{key}-" in name or f"-{key}." in name


def key_in(name: str) -> str:
    """Return the run key in a file's name or a link to it, or an empty string if the bot didn't name it."""
    found = _KEY.search(name)
    return found[1] if found is not None else ""


def is_file(name: str, key: str, number: int) -> bool:
    """Return whether a file, by its name or a link to it, is this one of the run `key`; 0 means any of it."""
    return f"-{key}-{number}." in name if number else belongs_to(name, key)


def number_in(name: str) -> int:
    """Return the number in a file's name, or 0 if the bot didn't name it."""
    found = _KEY.search(name)
    return int(found[2]) if found is not None else 0


def file_behind(link: str) -> str:
    """Return what identifies the file that a link leads to: its name if the bot named it, or else the link.

    Discord signs its links anew each time, so its signature is left out.
    """
    if key_in(link):
        return link.partition("?")[0].rpartition("/")[2]
    at_discord = _AT_DISCORD.match(link)
    return at_discord[1] if at_discord is not None else link


def links_in(values: Iterable[object]) -> list[str]:
    """Return the links among values and lists of values."""
    lists = (value if isinstance(value, list) else [value] for value in values)
    return [str(link) for each in lists for link in each if str(link).startswith("https://")]


def keys_in_links(values: Iterable[object]) -> frozenset[str]:
    """Return the run keys in the names of the files that values, or lists of values, link to."""
    return frozenset(key for link in links_in(values) for key, _ in _KEY.findall(link))
