"""Compile and check word rules at once, without the thread in which the bot takes their steps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from bot.word_filter.rules import Hit, Steps, WordRule, WordRules

T = TypeVar("T")


def finish(steps: Steps[T]) -> T:
    """Take all steps, and return their result."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: T = end.value
        return result


def compiled(rules: Iterable[WordRule] = (), blocked: Sequence[str] = ()) -> WordRules:
    own = [WordRule(keywords=tuple(blocked))] if blocked else []
    return finish(WordRules.compile([*rules, *own]))


def first_hit(
    rules: WordRules,
    texts: Mapping[str, str] | str,
    role_ids: Collection[int] = (),
    channel_ids: Collection[int] = (),
) -> Hit | None:
    """Return the first hit in texts by option; a single text is the option `prompt`."""
    given = {"prompt": texts} if isinstance(texts, str) else texts
    return finish(rules.check(given, role_ids, channel_ids))
