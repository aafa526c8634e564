"""Words that a server does not want in a request: Discord's AutoMod rules and the bot's own list. Pure.

Keywords are found by Aho-Corasick and regular expressions by RE2, both in time linear in the text: neither a
hostile text nor a hostile rule stops the bot. How a keyword matches is Discord's, see "Keyword Matching
Strategies" in its documentation; but any punctuation ends a word, since prompts are lists.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from bot.domain.settings_values import NotApplied
from bot.moderation.literals import Cover, Literals, Span
from bot.moderation.normal import EDGE, Views, fold, mark, views
from bot.moderation.patterns import Pattern, compile_pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class WordRule:
    """One rule as its server wrote it. `name` is None for the bot's own list.

    `keywords` and `allowed` may have `*` at an end; `patterns` are written for Rust's regex.
    """

    name: str | None = None
    keywords: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    exempt_roles: frozenset[int] = frozenset()
    exempt_channels: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Hit:
    """`rule` is None for the bot's own list. `keyword` is for moderators, never for the requester."""

    rule: str | None
    option: str
    keyword: str = field(repr=False)


class WordRules:
    """Rules made ready to search with. Costs milliseconds for each thousand keywords: keep it."""

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
        self, texts: Mapping[str, str], role_ids: Collection[int], channel_ids: Collection[int]
    ) -> Hit | None:
        """The first hit in `texts` (option name -> text). `channel_ids` has a thread's parent too."""
        rules = [rule for rule in self._rules if rule.holds_for(role_ids, channel_ids)]
        for option, text in texts.items() if rules else ():
            forms = views(text)
            for rule in rules:
                if (keyword := rule.find(forms)) is not None:
                    return Hit(rule.rule.name, option, keyword)
        return None


class _Compiled:
    def __init__(self, rule: WordRule) -> None:
        self.rule = rule
        self._keywords = Literals(rule.keywords)
        self._allowed = Literals(rule.allowed)
        read = [compile_pattern(source) for source in rule.patterns]
        self._patterns = [item for item in read if isinstance(item, Pattern)]
        codes = [item if isinstance(item, str) else item.note for item in read]
        if self._keywords.empty_ones:
            codes.append("keyword_empty")
        self.not_applied = tuple(NotApplied(code, rule.name or "") for code in codes if code)

    def holds_for(self, role_ids: Collection[int], channel_ids: Collection[int]) -> bool:
        return self.rule.exempt_roles.isdisjoint(role_ids) and self.rule.exempt_channels.isdisjoint(
            channel_ids
        )

    def find(self, forms: Views) -> str | None:
        found = next((word for view in forms.all if (word := self._keyword(view)) is not None), None)
        if found is None and forms.foreign is not None:
            found = self._keyword(forms.foreign, foreign=True)
        return self._pattern(forms) if found is None else found

    def _keyword(self, view: str, *, foreign: bool = False) -> str | None:
        marked = mark(fold(view))
        first = self._keywords.first(marked, foreign=foreign)
        if first is None or not self._allowed:
            return first
        allowed = Cover(self._allowed.spans(marked, foreign=foreign))
        hits = self._keywords.spans(marked, foreign=foreign)
        return next((hit.keyword for hit in hits if not allowed.holds(hit)), None)

    def _pattern(self, forms: Views) -> str | None:
        seen = dict.fromkeys((forms.raw, *forms.near)) if self._patterns else ()
        return next((source for view in seen if (source := self._pattern_in(view)) is not None), None)

    def _pattern_in(self, view: str) -> str | None:
        allowed: Cover | None = None
        for pattern in self._patterns:
            for start, end in pattern.spans(view):
                allowed = allowed or self._allowed_in(view)
                if not allowed.holds(Span(start, end, pattern.source)):
                    return pattern.source
        return None

    def _allowed_in(self, view: str) -> Cover:
        """Where allowed phrases stand in `view` itself, which has no edges."""
        if not self._allowed:
            return Cover(())
        marked = mark(fold(view))
        edges = list(accumulate((char == EDGE for char in marked), initial=0))
        spans = self._allowed.spans(marked)
        return Cover(Span(s.start - edges[s.start], s.end - edges[s.end], s.keyword) for s in spans)
