r"""The text option `more`: inputs that have no option of their own.

    more  = [ pair *( "," pair ) [ "," ] ]
    pair  = key "=" value                       spaces around each are dropped
    key   = 1*( any character but "=" and "," )   an option's name or an input's key, in any case
    value = quoted / bare
    quoted = DQUOTE *( "\" any / any but DQUOTE ) DQUOTE    \\ and \" stand for \ and "
    bare  = *( any character but "," )            not beginning with a quote

A bare value may hold `=`, and quotes inside; one with a comma needs quotes. The curly quotes that phones
put in are as good as straight ones.
"""

from __future__ import annotations

import re

from bot.domain.errors import InputError

# Possessive quantifiers keep it linear: 6,000 characters of a stranger's text run through it.
_PAIR = re.compile(r'([^=,]*+)=\s*+(?:"((?:[^"\\]|\\.)*+)"\s*+|((?!")[^,]*+))(?:,|\Z)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"'})
_NEEDS_QUOTES = re.compile(r'[,"“”„\\]|^\s|\s$')


def parse_more(text: str) -> list[tuple[str, str]]:
    """The pairs in order. InputError `input_more_syntax`, whose `text` is where it stops making sense."""
    text = text.translate(_CURLY)
    pairs: list[tuple[str, str]] = []
    position = 0
    while text[position:].strip():
        match = _PAIR.match(text, position)
        if match is None or not match[1].strip():
            raise InputError("input_more_syntax", option="more", text=text[position : position + 40].strip())
        key, quoted, bare = match.groups()
        pairs.append((key.strip(), bare.strip() if quoted is None else _ESCAPED.sub(r"\1", quoted)))
        position = match.end()
    return pairs


def write_more(pairs: list[tuple[str, str]]) -> str:
    """The text that `parse_more` reads as `pairs`, but for curly quotes, which become straight."""
    return ", ".join(f"{key}={_quoted(value)}" for key, value in pairs)


def _quoted(value: str) -> str:
    if not _NEEDS_QUOTES.search(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
