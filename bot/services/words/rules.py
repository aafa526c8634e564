"""Match texts against word rules: a server's AutoMod rules and its own word list.

Aho-Corasick finds keywords, and RE2 matches regular expressions. Their time is linear in the length of the
text, so neither a hostile text nor a hostile rule can stop the bot. Keywords match as in Discord ("Keyword
Matching Strategies" in its documentation), except that any punctuation ends a word, since prompts often are
lists of words.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import re2
from ahocorasick_rs import AhoCorasick

from bot.domain.settings.values import NotApplied
from bot.services.words.forms import (
    WORD_EDGE,
    TextForms,
    fold,
    foreign,
    latin,
    mark_word_edges,
    normalize,
    text_forms,
)


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


class CheckTooLong(Exception):
    """Raised when a check runs out of time, or a pattern keeps matching allowed text."""


# Each match starts another search, so a pattern that only matches allowed text takes quadratic time.
MAX_ALLOWED_MATCHES = 100


def _unlimited() -> None:
    """Never stop a check."""


class WordRules:
    """Compiled rules. Compiling takes milliseconds per thousand keywords, so reuse the object."""

    def __init__(
        self,
        rules: Iterable[WordRule] = (),
        blocked: Sequence[str] = (),
        not_applied: Iterable[NotApplied] = (),
    ) -> None:
        own = [WordRule(keywords=tuple(blocked))] if blocked else []
        self._rules = tuple(_Compiled(rule) for rule in (*rules, *own))
        self.not_applied = (*not_applied, *(item for rule in self._rules for item in rule.not_applied))

    def check(
        self,
        texts: Mapping[str, str],
        role_ids: Collection[int],
        channel_ids: Collection[int],
        go_on: Callable[[], None] = _unlimited,
    ) -> Hit | None:
        """Return the first hit in `texts`, which maps option names to texts, or None.

        `channel_ids` includes a thread's parent. `go_on` is called repeatedly during the check, and may raise
        CheckTooLong to stop it.
        """
        rules = [rule for rule in self._rules if rule.applies_to(role_ids, channel_ids)]
        for option, text in texts.items() if rules else ():
            go_on()
            forms = text_forms(text)
            for rule in rules:
                if (keyword := rule.find(forms, go_on)) is not None:
                    return Hit(rule.rule.name, option, keyword)
        return None


class _Compiled:
    def __init__(self, rule: WordRule) -> None:
        self.rule = rule
        self._keywords = KeywordMatcher(rule.keywords)
        self._allowed = KeywordMatcher(rule.allowed)
        results = [compile_pattern(source) for source in rule.patterns]
        self._patterns = [item for item in results if isinstance(item, Pattern)]
        codes = [item if isinstance(item, str) else item.remark for item in results]
        if self._keywords.empty_count:
            codes.append("keyword_empty")
        self.not_applied = tuple(NotApplied(code, rule.name or "") for code in codes if code)

    def applies_to(self, role_ids: Collection[int], channel_ids: Collection[int]) -> bool:
        return self.rule.exempt_roles.isdisjoint(role_ids) and self.rule.exempt_channels.isdisjoint(
            channel_ids
        )

    def find(self, forms: TextForms, go_on: Callable[[], None]) -> str | None:
        for view in forms.all:
            go_on()
            if (found := self._keyword(view)) is not None:
                return found
        if forms.foreign is not None and (found := self._keyword(forms.foreign, foreign=True)) is not None:
            return found
        return self._pattern(forms, go_on)

    def _keyword(self, view: str, *, foreign: bool = False) -> str | None:
        marked = mark_word_edges(fold(view))
        first = self._keywords.first(marked, foreign=foreign)
        if first is None or not self._allowed:
            return first
        allowed = AllowedSpans(self._allowed.spans(marked, foreign=foreign))
        hits = self._keywords.spans(marked, foreign=foreign)
        return next((hit.keyword for hit in hits if not allowed.cover(hit)), None)

    def _pattern(self, forms: TextForms, go_on: Callable[[], None]) -> str | None:
        views = dict.fromkeys((forms.raw, *forms.near)) if self._patterns else ()
        return next((source for view in views if (source := self._pattern_in(view, go_on)) is not None), None)

    def _pattern_in(self, view: str, go_on: Callable[[], None]) -> str | None:
        allowed: AllowedSpans | None = None
        for pattern in self._patterns:
            go_on()
            for number, (start, end) in enumerate(pattern.spans(view)):
                allowed = allowed or self._allowed_in(view)
                if not allowed.cover(Span(start, end, pattern.source)):
                    return pattern.source
                if number == MAX_ALLOWED_MATCHES:
                    raise CheckTooLong("a pattern matches allowed text too often")
                go_on()
        return None

    def _allowed_in(self, view: str) -> AllowedSpans:
        """Return the spans of allowed keywords in `view`, a text without marked word edges."""
        if not self._allowed:
            return AllowedSpans(())
        marked = mark_word_edges(fold(view))
        edges = list(accumulate((char == WORD_EDGE for char in marked), initial=0))
        spans = self._allowed.spans(marked)
        return AllowedSpans(Span(s.start - edges[s.start], s.end - edges[s.end], s.keyword) for s in spans)


class Span(NamedTuple):
    """A match in a text, and the keyword or pattern that made it."""

    start: int
    end: int
    keyword: str


class AllowedSpans:
    """The spans of a text that an allowed keyword matches."""

    def __init__(self, spans: Iterable[Span]) -> None:
        # Nested keywords make many spans for each start, of which the longest covers most.
        reach: dict[int, int] = {}
        for span in spans:
            reach[span.start] = max(span.end, reach.get(span.start, 0))
        self._starts = sorted(reach)
        self._reach = list(accumulate((reach[start] for start in self._starts), max))

    def cover(self, span: Span) -> bool:
        """Return whether one allowed span contains all of `span`."""
        before = bisect_right(self._starts, span.start)
        return before > 0 and self._reach[before - 1] >= span.end


class KeywordMatcher:
    """Finds keywords. A `*` leaves an end of a keyword open; an end without `*` must be the edge of a word.

    Keywords without a visible character would match everything; they are left out, and `empty_count` counts
    them.
    """

    def __init__(self, keywords: Iterable[str]) -> None:
        near: dict[str, str] = {}
        other: dict[str, str] = {}
        self.empty_count = 0
        for keyword in keywords:
            core = normalize(keyword.strip().strip("*"))
            self.empty_count += not core
            for form in (core, latin(core)) if core else ():
                near.setdefault(_literal(keyword, form), keyword)
            if not (core.isascii() or latin(core).isascii()):
                other.setdefault(_literal(keyword, foreign(core)), keyword)
        self._near, self._foreign = _Automaton(near), _Automaton(other)

    def __bool__(self) -> bool:
        return bool(self._near)

    def first(self, marked: str, *, foreign: bool = False) -> str | None:
        """Return a keyword that occurs in `marked`, a text with marked word edges, or None.

        `foreign` says that the text comes from `TextForms.foreign`; keywords are then compared in that form.
        """
        return (self._foreign if foreign else self._near).first(marked)

    def spans(self, marked: str, *, foreign: bool = False) -> Iterator[Span]:
        """Yield all matches, even overlapping ones, without the word edges around them."""
        return (self._foreign if foreign else self._near).spans(marked)


_WINDOW = 256


class _Automaton:
    def __init__(self, literals: dict[str, str]) -> None:
        self._literals, self._keywords = list(literals), list(literals.values())
        self._search = AhoCorasick(self._literals) if literals else None
        self._longest = max(map(len, self._literals), default=0)

    def __bool__(self) -> bool:
        return self._search is not None

    def first(self, marked: str) -> str | None:
        found = self._search.find_matches_as_indexes(marked) if self._search else []
        return self._keywords[found[0][0]] if found else None

    def spans(self, marked: str) -> Iterator[Span]:
        for index, start, end in self._overlapping(marked):
            literal = self._literals[index]
            yield Span(
                start + literal.startswith(WORD_EDGE),
                end - literal.endswith(WORD_EDGE),
                self._keywords[index],
            )

    def _overlapping(self, marked: str) -> Iterator[tuple[int, int, int]]:
        """Yield all matches, even overlapping ones, searching one window of the text at a time.

        With nested keywords, a search of the whole text would hold the GIL for a tenth of a second.
        """
        if self._search is None:
            return
        for offset in range(0, len(marked), _WINDOW):
            window = marked[offset : offset + _WINDOW + self._longest]
            for index, start, end in self._search.find_matches_as_indexes(window, overlapping=True):
                if start < _WINDOW:
                    yield index, offset + start, offset + end


def _literal(keyword: str, form: str) -> str:
    marked, asked = mark_word_edges(fold(form)), keyword.strip()
    marked = marked.removeprefix(WORD_EDGE) if asked.startswith("*") else marked
    return marked.removesuffix(WORD_EDGE) if asked.endswith("*") else marked


# RE2 takes time proportional to text and program size; repetition multiplies a pattern's 260 characters.
_MAX_PROGRAM_SIZE = 2_000
_PROBE_MEMORY = 256 * 1024  # for a program of twice that size
# Set operations in a character class: Rust applies them, RE2 silently reads them as plain characters.
_SETS = re.compile(r"&&|~~|\[\^?\]?(?:\\.|[^\]\\\[])*\[(?!:)")
# Unicode classes in Rust, ASCII classes in RE2.
_CLASSES = re.compile(r"\\[wWdDsSbB]")


class Pattern:
    """A compiled pattern; `remark` is the code of a warning if it matches less than in Discord, or empty."""

    def __init__(self, source: str, compiled: re2._Regexp, remark: str = "") -> None:
        self.source = source
        self.remark = remark
        self._compiled = compiled

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the matches in order, without overlaps."""
        return (found.span() for found in self._compiled.finditer(text))


def _options(memory: int | None = None) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    if memory is not None:
        options.max_mem = memory
    return options


def compile_pattern(source: str) -> Pattern | str:
    """Compile a pattern, case-sensitive as in Rust. Return a code if the pattern can't be used."""
    if _SETS.search(source):
        return "regex_unsupported"
    try:
        # Try a small memory limit first: a repeated Unicode class needs half a second to exceed a large one.
        if re2.compile(source, _options(_PROBE_MEMORY)).programsize > _MAX_PROGRAM_SIZE:
            return "regex_too_large"
        compiled = re2.compile(source, _options())
    except UnicodeEncodeError:
        return "regex_unsupported"
    except re2.error as error:
        return "regex_too_large" if "too large" in str(error) else "regex_unsupported"
    narrower = not source.isascii() and _CLASSES.search(source)
    return Pattern(source, compiled, "regex_ascii_classes" if narrower else "")
