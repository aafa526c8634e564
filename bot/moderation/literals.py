"""Many keywords looked for at once in a marked text, by Aho-Corasick. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from bot.moderation.normal import EDGE, clean, fold, foreign, latin, mark


class Span(NamedTuple):
    """Where something stands in a text, and which keyword or pattern found it."""

    start: int
    end: int
    keyword: str


class Cover:
    """Places of a text that are allowed."""

    def __init__(self, spans: Iterable[Span]) -> None:
        ordered = sorted(spans)
        self._starts = [span.start for span in ordered]
        self._reach = list(accumulate((span.end for span in ordered), max))

    def holds(self, span: Span) -> bool:
        """Whether one allowed place has all of `span` in it."""
        before = bisect_right(self._starts, span.start)
        return before > 0 and self._reach[before - 1] >= span.end


class Literals:
    """`*` at an end of a keyword leaves that end open; without it, a word has to end there.

    `empty_ones` counts keywords that hold nothing visible and would match everything: they are left out.
    """

    def __init__(self, keywords: Iterable[str]) -> None:
        near: dict[str, str] = {}
        other: dict[str, str] = {}
        self.empty_ones = 0
        for keyword in keywords:
            core = clean(keyword.strip().strip("*"))
            self.empty_ones += not core
            for form in (core, latin(core)) if core else ():
                near.setdefault(_literal(keyword, form), keyword)
            if not (core.isascii() or latin(core).isascii()):
                other.setdefault(_literal(keyword, foreign(core)), keyword)
        self._near, self._foreign = _Automaton(near), _Automaton(other)

    def __bool__(self) -> bool:
        return bool(self._near)

    def first(self, marked: str, *, foreign: bool = False) -> str | None:
        """A keyword in a text of `mark`, the quick way. `foreign`: the text is `Views.foreign`."""
        return (self._foreign if foreign else self._near).first(marked)

    def spans(self, marked: str, *, foreign: bool = False) -> Iterator[Span]:
        """All of them, overlapping ones too, without the edges around them."""
        return (self._foreign if foreign else self._near).spans(marked)


class _Automaton:
    def __init__(self, literals: dict[str, str]) -> None:
        self._literals, self._keywords = list(literals), list(literals.values())
        self._search = AhoCorasick(self._literals) if literals else None

    def __bool__(self) -> bool:
        return self._search is not None

    def first(self, marked: str) -> str | None:
        found = self._search.find_matches_as_indexes(marked) if self._search else []
        return self._keywords[found[0][0]] if found else None

    def spans(self, marked: str) -> Iterator[Span]:
        found = self._search.find_matches_as_indexes(marked, overlapping=True) if self._search else []
        for index, start, end in found:
            literal = self._literals[index]
            yield Span(start + literal.startswith(EDGE), end - literal.endswith(EDGE), self._keywords[index])


def _literal(keyword: str, form: str) -> str:
    marked, asked = mark(fold(form)), keyword.strip()
    marked = marked.removeprefix(EDGE) if asked.startswith("*") else marked
    return marked.removesuffix(EDGE) if asked.endswith("*") else marked
