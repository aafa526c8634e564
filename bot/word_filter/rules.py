"""Match texts against word rules: a server's AutoMod rules and its own word list.

Aho-Corasick finds keywords, and RE2 matches regular expressions. Each search takes time linear in the length
of the text, but thousands of keywords and patterns add up to seconds, so all work is done in `Steps`.
Keywords match as in Discord ("Keyword Matching Strategies" in its documentation), except that any punctuation
ends a word, since prompts often are lists of words.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple, TypeAlias, TypeVar

import re2
from ahocorasick_rs import AhoCorasick, MatchKind

from bot.word_filter.spellings import (
    WORD_EDGE,
    Spellings,
    fold,
    foreign,
    latin,
    mark_edges,
    normalize,
    respell,
)

T = TypeVar("T")
# Work that returns a T and can stop at each `yield`, after a few milliseconds: `bot.word_filter.cache`.
Steps: TypeAlias = Generator[None, None, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class WordRule:
    """A word rule as the server configured it; `name` is None for the server's own list.

    `keywords` and `allowed` may have a `*` at either end. `patterns` are written for Rust's regex crate.
    """

    name: str | None = None
    keywords: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    exempt_roles: frozenset[int] = frozenset()
    exempt_channels: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Hit:
    """A match of a word rule: the rule's name (None for the server's own list), the option, and the keyword.

    If a pattern matched, `keyword` holds the pattern. It is for moderators only, never for the requester.
    """

    rule: str | None
    option: str
    keyword: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WordRules:
    """Compiled rules. Compiling takes a tenth of a second per thousand keywords, so reuse the object.

    `not_applied` are the names of rules that can't be applied, or only in part.
    """

    rules: Sequence[_CompiledRule]
    not_applied: tuple[str, ...]

    @classmethod
    def compile(cls, rules: Iterable[WordRule], not_applied: Iterable[str] = ()) -> Steps[WordRules]:
        compiled, unapplied = list[_CompiledRule](), [*not_applied]
        for rule in rules:
            keywords = yield from Keywords.compile(rule.keywords)
            allowed = yield from Keywords.compile(rule.allowed)
            patterns, partial = list[re2._Regexp](), keywords.has_empty
            for source in rule.patterns:
                yield
                pattern = compile_pattern(source)
                patterns += [pattern] if pattern is not None else []
                # With other letters than ASCII, a class matches less than in Discord.
                partial |= pattern is None or (not source.isascii() and _CLASSES.search(source) is not None)
            compiled.append(_CompiledRule(rule, keywords, allowed, patterns))
            unapplied += [rule.name or ""] if partial else []
        return cls(compiled, (*unapplied,))

    def check(
        self, texts: Mapping[str, str], role_ids: Collection[int], channel_ids: Collection[int]
    ) -> Steps[Hit | None]:
        """Return the first hit in `texts`, which maps option names to texts, or None.

        `channel_ids` includes a thread's parent.
        """
        rules = [
            each
            for each in self.rules
            if each.rule.exempt_roles.isdisjoint(role_ids)
            and each.rule.exempt_channels.isdisjoint(channel_ids)
        ]
        for option, text in texts.items() if rules else ():
            yield
            spellings = respell(text)
            for each in rules:
                if (keyword := (yield from each.find(spellings))) is not None:
                    return Hit(each.rule.name, option, keyword)
        return None


class _CompiledRule(NamedTuple):
    rule: WordRule
    keywords: Keywords
    allowed: Keywords
    patterns: Sequence[re2._Regexp]

    def find(self, spellings: Spellings) -> Steps[str | None]:
        for view in spellings.all:
            yield
            marked = mark_edges(fold(view))
            if hits := self.keywords.spans(marked):
                excused = self.allowed.spans(marked)
                if hit := next((each for each in hits if not _cover(excused, each)), None):
                    return hit.keyword
        for view in dict.fromkeys((spellings.raw, *spellings.near)) if self.patterns else ():
            excused = self._excused(view)
            for pattern in self.patterns:
                yield
                for found in pattern.finditer(view):
                    start, end = found.span()
                    if not _cover(excused, Span(start, end, pattern.pattern)):
                        return str(pattern.pattern)
                    yield  # the search for the next match may take milliseconds
        return None

    def _excused(self, view: str) -> Sequence[Span]:
        """Return the spans of allowed keywords in a text without the edges that are marked for them."""
        marked = mark_edges(fold(view)) if self.allowed.literals else ""
        edges = list(accumulate((char == WORD_EDGE for char in marked), initial=0))
        found = self.allowed.spans(marked)
        return [
            Span(each.start - edges[each.start], each.end - edges[each.end], each.keyword) for each in found
        ]


class Span(NamedTuple):
    """A match in a text, and the keyword or pattern that made it."""

    start: int
    end: int
    keyword: str


def _cover(spans: Sequence[Span], span: Span) -> bool:
    """Return whether one of the spans, which are in order and don't overlap, contains all of another."""
    before = bisect_right(spans, span.start, key=lambda each: each.start)
    return before > 0 and spans[before - 1].end >= span.end


class Keywords:
    """Finds keywords. A `*` leaves an end of a keyword open; an end without `*` must be the edge of a word.

    `literals` are the texts to search for, each with its keyword. Keywords without a visible character would
    match everything; they are left out, and `has_empty` says so.
    """

    def __init__(self, literals: Mapping[str, str], *, has_empty: bool) -> None:
        self.literals, self.has_empty = [*literals.items()], has_empty
        self._search = AhoCorasick(list(literals), MatchKind.LeftmostLongest) if literals else None

    @classmethod
    def compile(cls, keywords: Iterable[str]) -> Steps[Keywords]:
        literals: dict[str, str] = {}
        has_empty = False
        for keyword in keywords:
            yield
            core, asked = normalize(keyword.strip().strip("*")), keyword.strip()
            has_empty |= not core
            for spelling in (core, latin(core), foreign(core)) if core else ():
                literal = mark_edges(fold(spelling))
                literal = literal.removeprefix(WORD_EDGE) if asked.startswith("*") else literal
                literal = literal.removesuffix(WORD_EDGE) if asked.endswith("*") else literal
                literals.setdefault(literal, keyword)
        return cls(literals, has_empty=has_empty)

    def spans(self, marked: str) -> Sequence[Span]:
        """Return the longest matches from the left in a text with marked word edges. None overlap.

        The word edges around them are left out.
        """
        found = self._search.find_matches_as_indexes(marked) if self._search else ()
        matches = ((*self.literals[index], start, end) for index, start, end in found)
        return [
            Span(start + literal.startswith(WORD_EDGE), end - literal.endswith(WORD_EDGE), keyword)
            for literal, keyword, start, end in matches
        ]


# RE2 takes time proportional to text and program size; repetition multiplies a pattern's 260 characters.
_MAX_PROGRAM_SIZE = 2_000
# Set operations in a character class: Rust applies them, RE2 silently reads them as plain characters.
_SETS = re.compile(r"&&|~~|\[\^?\]?(?:\\.|[^\]\\\[])*\[(?!:)")
# Classes of Unicode in Rust, of ASCII in RE2.
_CLASSES = re.compile(r"\\[wWdDsSbB]")


_OPTIONS, _PROBE = re2.Options(), re2.Options()
for _each in (_OPTIONS, _PROBE):
    _each.log_errors, _each.never_capture = False, True
_PROBE.max_mem = 256 * 1024  # for a program of twice that size


def compile_pattern(source: str) -> re2._Regexp | None:
    """Compile a pattern, case-sensitive as in Rust. Return None if the pattern can't be used."""
    if _SETS.search(source):
        return None
    try:
        # Try a small memory limit first: a repeated Unicode class needs half a second to exceed a large one.
        if re2.compile(source, _PROBE).programsize > _MAX_PROGRAM_SIZE:
            return None
        return re2.compile(source, _OPTIONS)
    except (UnicodeEncodeError, re2.error):
        return None
