"""Match texts against word rules: a server's AutoMod rules and its own word list.

Aho-Corasick finds keywords, and RE2 matches regular expressions. Each search takes time linear in the length
of the text, but nested keywords with allowed words add up to seconds. All work is therefore done in `Steps`.
Keywords match as in Discord ("Keyword Matching Strategies" in its documentation), except that any punctuation
ends a word, since prompts often are lists of words.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple, TypeAlias, TypeVar

import re2
from ahocorasick_rs import AhoCorasick, MatchKind

from bot.domain.settings.kinds import NotApplied
from bot.words.forms import (
    WORD_EDGE,
    TextForms,
    fold,
    foreign,
    latin,
    mark_word_edges,
    normalize,
    text_forms,
)

T = TypeVar("T")
# Work that returns a T and can stop at each `yield`, after a few milliseconds: `bot.words.cache`.
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


class WordRules:
    """Compiled rules. Compiling takes a tenth of a second per thousand keywords, so reuse the object."""

    def __init__(
        self, compiled: Sequence[_CompiledRule] = (), not_applied: Iterable[NotApplied] = ()
    ) -> None:
        self._rules = compiled
        self.not_applied = (*not_applied, *(item for rule in compiled for item in rule.not_applied))

    @classmethod
    def compile(
        cls,
        rules: Iterable[WordRule] = (),
        blocked: Sequence[str] = (),
        not_applied: Iterable[NotApplied] = (),
    ) -> Steps[WordRules]:
        """Compile AutoMod rules, and `blocked`, the keywords of the server's own list."""
        compiled: list[_CompiledRule] = []
        for rule in (*rules, *([WordRule(keywords=tuple(blocked))] if blocked else ())):
            one = yield from _CompiledRule.compile(rule)
            compiled.append(one)
        return cls(compiled, not_applied)

    def check(
        self, texts: Mapping[str, str], role_ids: Collection[int], channel_ids: Collection[int]
    ) -> Steps[Hit | None]:
        """Return the first hit in `texts`, which maps option names to texts, or None.

        `channel_ids` includes a thread's parent.
        """
        rules = [rule for rule in self._rules if rule.applies_to(role_ids, channel_ids)]
        for option, text in texts.items() if rules else ():
            yield
            forms = text_forms(text)
            for rule in rules:
                if (keyword := (yield from rule.find(forms))) is not None:
                    return Hit(rule.rule.name, option, keyword)
        return None


@dataclass(frozen=True, slots=True)
class _CompiledRule:
    rule: WordRule
    keywords: KeywordMatcher
    allowed: KeywordMatcher
    patterns: Sequence[Pattern]
    not_applied: Sequence[NotApplied]

    @classmethod
    def compile(cls, rule: WordRule) -> Steps[_CompiledRule]:
        keywords = yield from KeywordMatcher.compile(rule.keywords)
        allowed = yield from KeywordMatcher.compile(rule.allowed)
        made: list[Pattern | str] = []
        for source in rule.patterns:
            yield
            made.append(compile_pattern(source))
        patterns = [item for item in made if isinstance(item, Pattern)]
        codes = [item if isinstance(item, str) else item.remark for item in made]
        codes += ["keyword_empty"] if keywords.has_empty else []
        return cls(
            rule, keywords, allowed, patterns, [NotApplied(code, rule.name or "") for code in codes if code]
        )

    def applies_to(self, role_ids: Collection[int], channel_ids: Collection[int]) -> bool:
        return self.rule.exempt_roles.isdisjoint(role_ids) and self.rule.exempt_channels.isdisjoint(
            channel_ids
        )

    def find(self, forms: TextForms) -> Steps[str | None]:
        for view in forms.all:
            found = yield from _find_keyword(view, self.keywords.near, self.allowed.near)
            if found is not None:
                return found
        if forms.foreign is not None:
            found = yield from _find_keyword(forms.foreign, self.keywords.foreign, self.allowed.foreign)
            if found is not None:
                return found
        for view in dict.fromkeys((forms.raw, *forms.near)) if self.patterns else ():
            if (found := (yield from self._pattern_in(view))) is not None:
                return found
        return None

    def _pattern_in(self, view: str) -> Steps[str | None]:
        allowed: AllowedSpans | None = None
        for pattern in self.patterns:
            yield
            for found in pattern.compiled.finditer(view):
                if allowed is None:
                    allowed = yield from self._allowed_in(view)
                start, end = found.span()
                if not allowed.cover(Span(start, end, pattern.source)):
                    return pattern.source
                yield
        return None

    def _allowed_in(self, view: str) -> Steps[AllowedSpans]:
        """Return the spans of allowed keywords in `view`, a text without marked word edges."""
        if not self.allowed.near:
            return AllowedSpans({})
        marked = mark_word_edges(fold(view))
        edges = list(accumulate((char == WORD_EDGE for char in marked), initial=0))
        return (
            yield from AllowedSpans.collect(
                s and Span(s.start - edges[s.start], s.end - edges[s.end], s.keyword)
                for s in self.allowed.near.spans(marked)
            )
        )


def _find_keyword(view: str, keywords: Automaton, allowed: Automaton) -> Steps[str | None]:
    yield
    marked = mark_word_edges(fold(view))
    first = keywords.first(marked)
    if first is None or not allowed:
        return first
    spans = yield from AllowedSpans.collect(allowed.spans(marked))
    for hit in keywords.spans(marked):
        yield
        if hit is not None and not spans.cover(hit):
            return hit.keyword
    return None


class Span(NamedTuple):
    """A match in a text, and the keyword or pattern that made it."""

    start: int
    end: int
    keyword: str


class AllowedSpans:
    """The spans of a text that an allowed keyword matches: for each start, the end of the longest one."""

    def __init__(self, longest: Mapping[int, int]) -> None:
        self._starts = sorted(longest)
        self._reach = list(accumulate((longest[start] for start in self._starts), max))

    @classmethod
    def collect(cls, spans: Iterable[Span | None]) -> Steps[AllowedSpans]:
        """Collect the spans of a text, which may be mixed with None."""
        longest: dict[int, int] = {}
        for span in spans:
            yield
            if span is not None:
                longest[span.start] = max(span.end, longest.get(span.start, 0))
        return cls(longest)

    def cover(self, span: Span) -> bool:
        """Return whether one allowed span contains all of `span`."""
        before = bisect_right(self._starts, span.start)
        return before > 0 and self._reach[before - 1] >= span.end


@dataclass(frozen=True, slots=True)
class KeywordMatcher:
    """Finds keywords. A `*` leaves an end of a keyword open; an end without `*` must be the edge of a word.

    `near` finds them in Latin letters, and `foreign` in `TextForms.foreign`. Keywords without a visible
    character would match everything; they are left out, and `has_empty` says so.
    """

    near: Automaton
    foreign: Automaton
    has_empty: bool

    @classmethod
    def compile(cls, keywords: Iterable[str]) -> Steps[KeywordMatcher]:
        near: dict[str, str] = {}
        other: dict[str, str] = {}
        has_empty = False
        for keyword in keywords:
            yield
            core = normalize(keyword.strip().strip("*"))
            has_empty |= not core
            for form in (core, latin(core)) if core else ():
                near.setdefault(_literal(keyword, form), keyword)
            if not (core.isascii() or latin(core).isascii()):
                other.setdefault(_literal(keyword, foreign(core)), keyword)
        return cls(Automaton(near), Automaton(other), has_empty)


# Each search holds the GIL and finds matches after the first, which aren't used, so it gets little text.
_WINDOW = 64


class Automaton:
    """Searches texts with marked word edges. `literals` map what to search for to the keywords."""

    def __init__(self, literals: dict[str, str]) -> None:
        self._literals, self._keywords = list(literals), list(literals.values())
        self._search = AhoCorasick(self._literals, MatchKind.LeftmostLongest) if literals else None
        self._longest = max(map(len, self._literals), default=0)

    def __bool__(self) -> bool:
        return self._search is not None

    def first(self, marked: str) -> str | None:
        """Return a keyword that occurs in the text, or None."""
        found = self._search.find_matches_as_indexes(marked) if self._search else []
        return self._keywords[found[0][0]] if found else None

    def spans(self, marked: str) -> Iterator[Span | None]:
        """Yield the longest match at each place where one begins, without the word edges around it.

        What covers the longest match covers the shorter ones, of which nested keywords make many. After a
        stretch of text in which no match begins, None is yielded.
        """
        start = 0
        while self._search is not None and start < len(marked):
            window = marked[start : start + _WINDOW + self._longest]
            found = self._search.find_matches_as_indexes(window)
            index, first, end = found[0] if found else (0, _WINDOW, 0)
            if first >= _WINDOW:
                yield None
                start += _WINDOW
            else:
                literal = self._literals[index]
                first_letter = start + first + literal.startswith(WORD_EDGE)
                yield Span(first_letter, start + end - literal.endswith(WORD_EDGE), self._keywords[index])
                start += first + 1


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


class Pattern(NamedTuple):
    """A compiled pattern; `remark` is the code of a warning if it matches less than in Discord, or empty."""

    source: str
    compiled: re2._Regexp
    remark: str


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
