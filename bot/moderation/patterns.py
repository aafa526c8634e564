"""Regular expressions of AutoMod, written for Rust's regex, run by its close relative RE2. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

# RE2's time is bounded by text x program; Discord allows 260 characters, but repetition multiplies them.
_LARGEST = 2_000

# What Rust reads as set arithmetic in a class, and RE2 as plain characters: another meaning, no error.
_SETS = re.compile(r"&&|~~|\[\^?\]?(?:\\.|[^\]\\\[])*\[(?!:)")
# Unicode's in Rust, ASCII's in RE2.
_CLASSES = re.compile(r"\\[wWdDsSbB]")


class Pattern:
    """`note` is a code when the pattern is applied with a smaller reach than in Discord, else empty."""

    def __init__(self, source: str, compiled: re2._Regexp, note: str = "") -> None:
        self.source = source
        self.note = note
        self._compiled = compiled

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it matches, first to last, not overlapping."""
        return (found.span() for found in self._compiled.finditer(text))


def compile_pattern(source: str) -> Pattern | str:
    """Case counts unless it says `(?i)`, as in Rust. A string is the code of why it can't be applied."""
    if _SETS.search(source):
        return "regex_unsupported"
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        compiled = re2.compile(source, options)
    except (re2.error, UnicodeEncodeError):
        return "regex_unsupported"
    if compiled.programsize > _LARGEST:
        return "regex_too_large"
    narrower = not source.isascii() and _CLASSES.search(source)
    return Pattern(source, compiled, "regex_ascii_classes" if narrower else "")
