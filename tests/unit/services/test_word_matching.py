"""Words are found as Discord documents it, in spite of tricks; innocent text is left alone."""

# ruff: noqa: RUF001  # look-alikes are what this is about

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.word_filter.rules import Hit, WordRule
from bot.word_filter.spellings import WORD_EDGE, fold, mark_edges, normalize, respell
from tests.word_rules import compiled, first_hit


def found(
    text: str, *keywords: str, patterns: tuple[str, ...] = (), allowed: tuple[str, ...] = ()
) -> str | None:
    """Return the keyword or pattern of a rule that a text hits."""
    hit = first_hit(compiled([WordRule(keywords=keywords, patterns=patterns, allowed=allowed)]), text)
    return hit.keyword if hit else None


# From the tables of "Keyword Matching Strategies" in Discord's documentation, and texts that don't match.
@pytest.mark.parametrize(
    ("keyword", "hits", "misses"),
    [
        ("cat*", "catch, Catapult, CAttLE", "wildcat, location"),
        ("the mat*", "the matrix", "breathe matter"),
        ("*cat", "wildcat, copyCat", "catch, location"),
        ("*cat*", "location, eduCation", "act"),
        ("cat", "cat, CAT, Cat", "catch, wildcat, location"),
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
    ("keyword", "hits", "misses"),
    [
        # Punctuation ends a word, as prompts are lists.
        ("cat", "(cat:1.3)|black_cat|cat's|a.cat.|the\ncat|“cat”", "scatter"),
        # Kana and vowel signs keep what tells them apart.
        ("*かき*", "かき", "がき"),
        ("हन्द*", "हन्दी", "हिन्दी"),
        ("ｶﾞｷ", "ガキ", "カキ"),
        # Digits of a keyword are taken literally, and a number with its measure is not a word.
        ("sh1t*", "sh1ts", "shirts"),
        ("sin", "a s1n", "a 5in screen"),
        ("ist", "1st place and ist", "the 1st of 9ft"),
        # A word of single letters keeps its ends.
        ("cunt", "C U N T", "S C U N T H O R P E"),
        ("*cunt*", "S C U N T H O R P E", "S C U N"),
    ],
)
def test_a_keyword_is_told_from_what_looks_like_it(keyword: str, hits: str, misses: str) -> None:
    assert [found(text, keyword) for text in hits.split("|")] == [keyword] * len(hits.split("|"))
    assert found(misses, keyword) is None


def test_a_keyword_inside_an_allowed_phrase_is_fine() -> None:
    keywords, allowed = ("*ass*", "cat"), ("classic*", "black cat")
    assert found("a classical black cat", *keywords, allowed=allowed) is None
    assert found("a classical cat", *keywords, allowed=allowed) == "cat"
    assert found("a classical brass", *keywords, allowed=allowed) == "*ass*"
    assert found("a CLAS\u200bSICAL painting", *keywords, allowed=allowed) is None
    # A match that extends beyond the phrase counts.
    assert found("the mat", "the mat", allowed=("mat",)) == "the mat"
    assert found("catfish", "*cat*", "catfish", allowed=("*cat*",)) == "catfish"


def test_an_exempt_role_or_channel_leaves_the_rule_out_but_not_the_bots_own_list() -> None:
    exempt = WordRule(
        name="r", keywords=("cat",), exempt_roles=frozenset({1}), exempt_channels=frozenset({2})
    )
    texts = {"prompt": "a fox", "negative": "cat"}
    hit = first_hit(compiled([exempt]), texts, {5}, {6})
    assert hit == Hit("r", "negative", "cat")
    assert "cat" not in repr(hit), "logs show it"
    assert first_hit(compiled([exempt]), texts, {5, 1}, {6}) is None
    assert first_hit(compiled([exempt]), texts, {5}, {6, 2}) is None
    assert first_hit(compiled([exempt], blocked=("cat",)), texts, {1}, {2}) == Hit(None, "negative", "cat")


def test_a_keyword_without_anything_visible_is_reported_and_matches_nothing() -> None:
    rules = compiled([WordRule(name="r", keywords=("*", "\u200b", "cat"))])
    assert rules.not_applied == ("r",)
    assert first_hit(rules, "anything * \u200b") is None
    assert first_hit(rules, "cat") is not None


BLOCKED = (
    *("porn", "sex", "bad", "pot", "hell", "cunt", "*fuck*", "dick"),
    *("сука", "хуй", "мат", "שרמוטה", "猫"),
)


# Ways of writing a forbidden word.
TRICKS = {
    "porn": (
        *("po\u200drn", "po\u200crn"),
        *("PoRn", "po\u200brn", "p\u00ado\u2060r\ufeffn", "po\u034frn", "p\U000e0061orn"),
        *("po\u3164rn", "po\u2065rn", "po\ufff0rn", "po\U000e01f5rn", "po\U0001d159rn", "po\ufffcrn"),
        *("\u202eporn\u202c", "pórn", "p\u0336o\u0336r\u0336n\u0336", "p\u05b0o\u0651rn", "ｐｏｒｎ"),
        *("𝓹𝓸𝓻𝓷", "ⓟⓞⓡⓝ", "🅿🅾🆁🅽", "🇵🇴🇷🇳", "🇵 🇴 🇷 🇳", "ᴘᴏʀɴ", "pørn", "pоrn", "рorn", "ροrn"),
        *("p o r n", "p.o.r.n", "p - o - r - n", "p_o_r_n!", "p....o....r....n"),
        *("p - - o - - r - - n", "p0rn", "p 0 r n", "рр0rn p0гn"),
    ),
    "*fuck*": ("fuск",),
    "dick": ("dІck", "d1ck"),
    "sex": ("ѕех", "ЅЕХ", "s3x", "5ex", "$ex", "the\u00a0\u2003sex", "sex猫"),
    "hell": ("he11",),
    "сука": ("СУКА", "сукa", "cyка"),
    "хуй": ("хyй", "х у й", "Хуй"),
    "שרמוטה": ("שרמוטה",),
}


@pytest.mark.parametrize(
    ("keyword", "text"), [(word, text) for word, texts in TRICKS.items() for text in texts]
)
def test_a_trick_does_not_hide_the_word(keyword: str, text: str) -> None:
    assert found(text, *BLOCKED) == keyword
    assert found(f"great fox, {text}, oil on canvas", *BLOCKED) == keyword


INNOCENT = """
Scunthorpe in Essex, sextant, unisex
he'll, we'll and a shell
hello, a potter with a teapot
masterpiece, best quality, 1girl, 4k, 8k, 3d, (detailed:1.2), <lora:add_detail:0.5>
a badge, a badger and the Baden-Baden baths
Plan A, B and C: U.S.A., 1, 2, 3
I am a dad, b and ad
s ex, se x, b ad
1st 2nd 3rd 5th, 50mm f/1.4, ISO 100, 16:9
рот, вот, нос, сахар и математика
сухой лист, хор, суда
τον λόγο, και οι νότες
子猫が好き
שלום עולם
हिन्दी में लिखा
naïve café, Łódź, Ærøskøbing, smørrebrød
🦊🌲✨ 👩\u200d🚀
"""


@pytest.mark.parametrize("text", INNOCENT.strip().splitlines())
def test_innocent_text_is_not_hit(text: str) -> None:
    assert found(text, *BLOCKED) is None


def test_a_wall_of_exclamation_marks_takes_linear_time() -> None:
    # With quadratic time this would not end within the suite's timeout.
    assert found("!" * 400_000, *BLOCKED) is None
    assert found("!!! s3x!", *BLOCKED) == "sex"


def test_a_pattern_sees_the_text_as_typed_and_without_its_tricks() -> None:
    assert found("b\u200bat", patterns=("bat",)) == "bat"
    assert found("b\u0430t", patterns=("bat",)) == "bat"
    assert found("b\u200bat", patterns=("\u200b",)) == "\u200b"
    assert found("SHOUTING", patterns=("[A-Z]{5,}",)) == "[A-Z]{5,}"
    assert found("whispering", patterns=("[A-Z]{5,}",)) is None


@pytest.mark.parametrize(
    "pattern",
    [
        *("(?=look)ahead", r"(a)\1", "(unclosed", "[a-z&&[^b]]", "[x[a-z]]"),
        *(r"[\pL\pN]{1,200}", r"\bплохо"),
    ],
)
def test_a_pattern_that_can_not_be_applied_as_in_discord_is_reported(pattern: str) -> None:
    rules = compiled([WordRule(name="rule", patterns=(pattern, "good"))])
    assert rules.not_applied == ("rule",)
    assert first_hit(rules, "good") == Hit("rule", "prompt", "good")


@pytest.mark.parametrize(
    "pattern", ["(?i)b+a*d", "[[:alpha:]]{3}", r"\[x\]", "(?P<name>x)", r"[^a-c\[]z", r"\d{3}-\d{4}", "[]a]"]
)
def test_ordinary_patterns_are_applied(pattern: str) -> None:
    assert compiled([WordRule(patterns=(pattern,))]).not_applied == ()


def test_an_allowed_phrase_excuses_a_pattern_where_it_stands() -> None:
    assert found("in Scunthorpe", patterns=("cunt",), allowed=("scunthorpe",)) is None
    assert found("the cunt in Scunthorpe", patterns=("cunt",), allowed=("scunthorpe",)) == "cunt"
    assert found("ｓｃｕｎｔｈｏｒｐｅ, Scunthorpe", patterns=("cunt",), allowed=("scunthorpe",)) is None


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
    assert len(fold(f"{plain}ß")) == len(plain) + 1  # which has two letters in lower case
    assert mark_edges(plain).replace(WORD_EDGE, "") == plain
    assert respell(text).all[0] == plain
    # Two spellings, each with its single letters apart and joined; each of these is read in two ways, too.
    # The text in foreign letters comes on top.
    assert len(respell(text).all) <= 2 * 2 * 3 + 1


@given(st.text(alphabet=st.characters(categories=["Ll", "Lu", "Lo", "Nd"]), min_size=1, max_size=20), TEXTS)
def test_a_word_is_found_in_any_surroundings(word: str, text: str) -> None:
    rules = compiled(blocked=(word,))
    if not rules.not_applied:
        assert first_hit(rules, f"{text} {word} {text}") is not None
