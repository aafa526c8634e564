"""Keywords match as Discord documents it, and what a server allows or exempts is left alone."""

from __future__ import annotations

import pytest

from bot.domain.settings.kinds import NotApplied
from bot.words.rules import Hit, WordRule
from tests.word_rules import compiled, first_hit


def found(text: str, *keywords: str, allowed: tuple[str, ...] = ()) -> str | None:
    rules = compiled([WordRule(name="rule", keywords=keywords, allowed=allowed)])
    hit = first_hit(rules, text)
    return hit.keyword if hit else None


# The tables of "Keyword Matching Strategies" in Discord's documentation, and texts that don't match.
@pytest.mark.parametrize(
    ("keyword", "hits", "misses"),
    [
        ("cat*", "catch, Catapult, CAttLE", "wildcat, location"),
        ("tra*", "train, trade, TRAditional", "extra"),
        ("the mat*", "the matrix", "breathe matter"),
        ("*cat", "wildcat, copyCat", "catch, location"),
        ("*tra", "extra, ultra, orchesTRA", "train"),
        ("*the mat", "breathe mat", "the matter"),
        ("*cat*", "location, eduCation", "act"),
        ("*tra*", "abstracted, outrage", "art"),
        ("*the mat*", "breathe matter", "the best mat"),
        ("cat", "cat, CAT, Cat", "catch, wildcat, location"),
        ("train", "train", "trains"),
        ("the mat", "the mat", "breathe mat, the matrix, the best mat"),
    ],
)
def test_a_keyword_matches_as_documented(keyword: str, hits: str, misses: str) -> None:
    for text in hits.split(", "):
        assert found(text, keyword) == keyword
        assert found(f"look, {text}!", keyword) == keyword
    for text in misses.split(", "):
        assert found(text, keyword) is None


@pytest.mark.parametrize(
    "text", ["cat, dog", "(cat:1.3)", "black_cat", "cat's", "a.cat.", "the\ncat", "“cat”"]
)
def test_punctuation_ends_a_word_as_prompts_are_lists(text: str) -> None:
    assert found(text, "cat") == "cat"


def test_a_keyword_inside_an_allowed_phrase_is_fine() -> None:
    keywords, allowed = ("*ass*", "cat"), ("classic*", "black cat")
    assert found("a classical black cat", *keywords, allowed=allowed) is None
    assert found("a classical cat", *keywords, allowed=allowed) == "cat"
    assert found("a classical brass", *keywords, allowed=allowed) == "*ass*"
    assert found("a CLAS\u200bSICAL painting", *keywords, allowed=allowed) is None


def test_a_match_that_reaches_out_of_an_allowed_phrase_counts() -> None:
    assert found("the mat", "the mat", allowed=("mat",)) == "the mat"
    assert found("catfish", "*cat*", "catfish", allowed=("*cat*",)) == "catfish"


def test_an_exempt_role_or_channel_leaves_the_rule_out_but_not_the_bots_own_list() -> None:
    exempt = WordRule(
        name="r", keywords=("cat",), exempt_roles=frozenset({1}), exempt_channels=frozenset({2})
    )
    texts = {"prompt": "cat"}
    assert first_hit(compiled([exempt]), texts, {5}, {6}) == Hit("r", "prompt", "cat")
    assert first_hit(compiled([exempt]), texts, {5, 1}, {6}) is None
    assert first_hit(compiled([exempt]), texts, {5}, {6, 2}) is None
    assert first_hit(compiled([exempt], blocked=("cat",)), texts, {1}, {2}) == Hit(None, "prompt", "cat")


def test_a_hit_names_the_rule_and_the_option_but_does_not_show_the_word() -> None:
    rules = compiled([WordRule(name="one", keywords=("dog",)), WordRule(name="two", keywords=("cat",))])
    hit = first_hit(rules, {"prompt": "a fox", "negative": "cat"})
    assert hit == Hit("two", "negative", "cat")
    assert "cat" not in repr(hit)


def test_a_keyword_without_anything_visible_is_reported_and_matches_nothing() -> None:
    rules = compiled([WordRule(name="r", keywords=("*", "\u200b", "cat"))])
    assert rules.not_applied == (NotApplied("keyword_empty", "r"),)
    assert first_hit(rules, "anything * \u200b") is None
    assert first_hit(rules, "cat") is not None
