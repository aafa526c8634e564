"""Keywords match as Discord documents it, and what a server allows or exempts is left alone."""

from __future__ import annotations

import pytest

from bot.domain.settings.values import NotApplied
from bot.services.words.rules import Hit, WordRule, WordRules


def found(text: str, *keywords: str, allowed: tuple[str, ...] = ()) -> str | None:
    rules = WordRules([WordRule(name="rule", keywords=keywords, allowed=allowed)])
    hit = rules.check({"prompt": text}, (), ())
    return hit.keyword if hit else None


# The tables of "Keyword Matching Strategies" in Discord's documentation.
@pytest.mark.parametrize(
    ("keyword", "matches"),
    [
        ("cat*", ["catch", "Catapult", "CAttLE"]),
        ("tra*", ["train", "trade", "TRAditional"]),
        ("the mat*", ["the matrix"]),
        ("*cat", ["wildcat", "copyCat"]),
        ("*tra", ["extra", "ultra", "orchesTRA"]),
        ("*the mat", ["breathe mat"]),
        ("*cat*", ["location", "eduCation"]),
        ("*tra*", ["abstracted", "outrage"]),
        ("*the mat*", ["breathe matter"]),
        ("cat", ["cat", "CAT", "Cat"]),
        ("train", ["train"]),
        ("the mat", ["the mat"]),
    ],
)
def test_the_documented_examples_match(keyword: str, matches: list[str]) -> None:
    for text in matches:
        assert found(text, keyword) == keyword
        assert found(f"look, {text}!", keyword) == keyword


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("cat", "catch"),
        ("cat", "wildcat"),
        ("cat", "location"),
        ("cat*", "wildcat"),
        ("cat*", "location"),
        ("*cat", "catch"),
        ("*cat", "location"),
        ("the mat", "breathe mat"),
        ("the mat", "the matrix"),
        ("the mat*", "breathe matter"),
        ("*the mat", "the matter"),
        ("the mat", "the best mat"),
    ],
)
def test_a_star_opens_only_its_own_end(keyword: str, text: str) -> None:
    assert found(text, keyword) is None


@pytest.mark.parametrize(
    "text", ["cat, dog", "(cat:1.3)", "black_cat", "cat's", "a.cat.", "the\ncat", "“cat”"]
)
def test_punctuation_ends_a_word_as_prompts_are_lists(text: str) -> None:
    assert found(text, "cat") == "cat"


def test_signs_in_a_keyword_are_taken_literally() -> None:
    assert found("I write c++ here", "c++") == "c++"
    assert found("I write c here", "c++") is None
    assert found("so f*ck it", "f*ck") == "f*ck"
    assert found("so fork it", "f*ck") is None
    assert found("a.b", "a.b") == "a.b"
    assert found("axb", "a.b") is None


def test_a_keyword_inside_an_allowed_phrase_is_fine() -> None:
    keywords, allowed = ("*ass*", "cat"), ("classic*", "black cat")
    assert found("a classical black cat", *keywords, allowed=allowed) is None
    assert found("a classical cat", *keywords, allowed=allowed) == "cat"
    assert found("a classical brass", *keywords, allowed=allowed) == "*ass*"
    assert found("a CLAS\u200bSICAL painting", *keywords, allowed=allowed) is None


def test_a_match_that_reaches_out_of_an_allowed_phrase_counts() -> None:
    assert found("the mat", "the mat", allowed=("mat",)) == "the mat"
    assert found("catfish", "*cat*", "catfish", allowed=("*cat*",)) == "catfish"


def test_an_exempt_role_or_channel_leaves_the_rule_out() -> None:
    rules = WordRules(
        [WordRule(name="r", keywords=("cat",), exempt_roles=frozenset({1}), exempt_channels=frozenset({2}))]
    )
    texts = {"prompt": "cat"}
    assert rules.check(texts, {5}, {6}) == Hit("r", "prompt", "cat")
    assert rules.check(texts, {5, 1}, {6}) is None
    assert rules.check(texts, {5}, {6, 2}) is None


def test_the_bots_own_list_exempts_nobody() -> None:
    rules = WordRules([WordRule(name="r", keywords=("cat",), exempt_roles=frozenset({1}))], blocked=("cat",))
    assert rules.check({"prompt": "cat"}, {1}, {2}) == Hit(None, "prompt", "cat")


def test_a_hit_names_the_rule_and_the_option_but_does_not_show_the_word() -> None:
    rules = WordRules([WordRule(name="one", keywords=("dog",)), WordRule(name="two", keywords=("cat",))])
    hit = rules.check({"prompt": "a fox", "negative": "cat"}, (), ())
    assert hit == Hit("two", "negative", "cat")
    assert "cat" not in repr(hit)


def test_a_keyword_without_anything_visible_is_reported_and_matches_nothing() -> None:
    rules = WordRules([WordRule(name="r", keywords=("*", "\u200b", "cat"))])
    assert rules.not_applied == (NotApplied("keyword_empty", "r"),)
    assert rules.check({"prompt": "anything * \u200b"}, (), ()) is None
    assert rules.check({"prompt": "cat"}, (), ()) is not None


def test_no_rules_find_nothing() -> None:
    assert WordRules().check({"prompt": "cat"}, (), ()) is None
    assert WordRules([WordRule(name="r")]).check({"prompt": ""}, (), ()) is None
