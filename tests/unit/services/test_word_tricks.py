"""Tricks of writing do not hide a word, and innocent text is not mistaken for one."""

# ruff: noqa: RUF001  # look-alikes are what this is about

from __future__ import annotations

import pytest

from tests.word_rules import compiled, first_hit

BLOCKED = (
    *("porn", "sex", "bad", "pot", "hell", "cunt", "*fuck*", "dick"),
    *("сука", "хуй", "мат", "שרמוטה", "猫"),
)


def found(text: str, *keywords: str) -> str | None:
    hit = first_hit(compiled(blocked=keywords or BLOCKED), text)
    return hit.keyword if hit else None


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
    "bad": ("what a b a d dog",),
    "hell": ("he11",),
    "сука": ("СУКА", "сукa", "cyка"),
    "хуй": ("хyй", "х у й", "Хуй"),
    "שרמוטה": ("שרמוטה",),
}


@pytest.mark.parametrize(
    ("keyword", "text"), [(word, text) for word, texts in TRICKS.items() for text in texts]
)
def test_a_trick_does_not_hide_the_word(keyword: str, text: str) -> None:
    assert found(text) == keyword
    assert found(f"great fox, {text}, oil on canvas") == keyword


@pytest.mark.parametrize(
    "text",
    [
        "Scunthorpe in Essex, sextant, unisex",
        "he'll, we'll and a shell",
        "hello, a potter with a teapot",
        "masterpiece, best quality, 1girl, 4k, 8k, 3d, (detailed:1.2), <lora:add_detail:0.5>",
        "a badge, a badger and the Baden-Baden baths",
        "Plan A, B and C: U.S.A., 1, 2, 3",
        "I am a dad, b and ad",
        "s ex, se x, b ad",
        "1st 2nd 3rd 5th, 50mm f/1.4, ISO 100, 16:9",
        "рот, вот, нос, сахар и математика",
        "сухой лист, хор, суда",
        "τον λόγο, και οι νότες",
        "子猫が好き",
        "שלום עולם",
        "हिन्दी में लिखा",
        "naïve café, Łódź, Ærøskøbing, smørrebrød",
        "🦊🌲✨ 👩\u200d🚀",
    ],
)
def test_innocent_text_is_not_hit(text: str) -> None:
    assert found(text) is None


def test_kana_and_vowel_signs_keep_what_tells_them_apart() -> None:
    assert found("がき", "*かき*") is None
    assert found("हिन्दी", "हन्द*") is None
    assert found("ガキ", "ｶﾞｷ") == "ｶﾞｷ"


def test_digits_of_a_keyword_are_taken_literally() -> None:
    assert found("sh1ts", "sh1t*") == "sh1t*"
    assert found("shirts", "sh1t*") is None


def test_a_number_with_its_measure_is_not_a_word() -> None:
    assert found("a 5in screen, the 1st of 9ft", "sin", "ist", "lst") is None
    assert found("a s1n", "sin") == "sin"


def test_a_word_of_single_letters_keeps_its_ends() -> None:
    assert found("S C U N T H O R P E", "cunt") is None
    assert found("S C U N T H O R P E", "*cunt*") == "*cunt*"


def test_a_wall_of_exclamation_marks_takes_linear_time() -> None:
    # With quadratic time this would not end within the suite's timeout.
    assert found("!" * 400_000) is None
    assert found("!!! s3x!") == "sex"
