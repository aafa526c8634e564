"""Regular expressions are applied or reported, never dropped, and no text makes them slow or fail."""

# ruff: noqa: RUF001  # look-alikes are what this is about

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.settings.kinds import NotApplied
from bot.words.forms import WORD_EDGE, fold, mark_word_edges, normalize, text_forms
from bot.words.rules import WordRule, WordRules
from tests.word_rules import compiled, first_hit


def rules_of(*patterns: str, allowed: tuple[str, ...] = ()) -> WordRules:
    return compiled([WordRule(name="rule", patterns=patterns, allowed=allowed)])


def found(text: str, *patterns: str, allowed: tuple[str, ...] = ()) -> str | None:
    hit = first_hit(rules_of(*patterns, allowed=allowed), text)
    return hit.keyword if hit else None


def test_a_pattern_sees_the_text_as_typed_and_without_its_tricks() -> None:
    assert found("b\u200bat", "bat") == "bat"
    assert found("b\u0430t", "bat") == "bat"
    assert found("b\u200bat", "\u200b") == "\u200b"
    assert found("SHOUTING", "[A-Z]{5,}") == "[A-Z]{5,}"
    assert found("whispering", "[A-Z]{5,}") is None


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        (r"(?=look)ahead", "regex_unsupported"),
        (r"(a)\1", "regex_unsupported"),
        (r"(unclosed", "regex_unsupported"),
        (r"[a-z&&[^b]]", "regex_unsupported"),
        (r"[x[a-z]]", "regex_unsupported"),
        (r"[\pL\pN]{1,200}", "regex_too_large"),
        ("\\bплохо", "regex_ascii_classes"),
    ],
)
def test_a_pattern_that_can_not_be_applied_as_in_discord_is_reported(pattern: str, code: str) -> None:
    assert rules_of(pattern, "good").not_applied == (NotApplied(code, "rule"),)
    assert found("good", pattern, "good") == "good"


@pytest.mark.parametrize(
    "pattern", ["(?i)b+a*d", "[[:alpha:]]{3}", r"\[x\]", "(?P<name>x)", r"[^a-c\[]z", r"\d{3}-\d{4}", "[]a]"]
)
def test_ordinary_patterns_are_applied(pattern: str) -> None:
    assert rules_of(pattern).not_applied == ()


def test_an_allowed_phrase_excuses_a_pattern_where_it_stands() -> None:
    assert found("in Scunthorpe", "cunt", allowed=("scunthorpe",)) is None
    assert found("the cunt in Scunthorpe", "cunt", allowed=("scunthorpe",)) == "cunt"
    assert found("ｓｃｕｎｔｈｏｒｐｅ, Scunthorpe", "cunt", allowed=("scunthorpe",)) is None


HOSTILE = compiled(
    [
        WordRule(
            name="rule",
            keywords=("bad", "*ab*", "aa*", "*a b", "плохо", "猫", "a$$"),
            patterns=("(a*)*b", "(?i)x{0,50}y", r"\w+@\w+", ""),
            allowed=("*aab*", "bad dog"),
        )
    ]
)
TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet=st.characters(), max_size=60),
    st.text(alphabet="ab аbA1$.-_ \u0301\u200b\0\ud800猫ß\ufdfa", max_size=300),
)


@given(TEXTS)
def test_no_text_makes_the_check_fail(text: str) -> None:
    # The empty pattern matches before the first word, which no allowed phrase covers.
    assert first_hit(HOSTILE, f"! {text}") is not None


@given(TEXTS)
def test_the_forms_of_a_text_keep_their_promises(text: str) -> None:
    plain = normalize(text)
    assert normalize(plain) == plain
    assert WORD_EDGE not in plain
    assert len(fold(plain)) == len(plain)
    assert mark_word_edges(plain).replace(WORD_EDGE, "") == plain
    assert text_forms(text).all[0] == plain
    assert len(text_forms(text).all) <= 12


@given(st.text(alphabet=st.characters(categories=["Ll", "Lu", "Lo", "Nd"]), min_size=1, max_size=20), TEXTS)
def test_a_word_is_found_in_any_surroundings(word: str, text: str) -> None:
    rules = compiled(blocked=(word,))
    if not rules.not_applied:
        assert first_hit(rules, f"{text} {word} {text}") is not None
