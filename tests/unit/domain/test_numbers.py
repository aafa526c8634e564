"""The numbers that users type."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.text import shown_number, typed_integer, typed_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5.5", 5.5),
        (" 5,5 ", 5.5),
        (",5", 0.5),
        ("0,500", 0.5),
        ("1,000", 1000),
        ("-1 000 000.5", -1_000_000.5),
        ("1_000", 1000),
        ("1\u202f000", 1000),
        ("\uff11\uff12\uff0c\uff15", 12.5),
        ("\u0663", 3),
        ("\u22122", -2),
        ("1e3", 1000),
    ],
)
def test_a_number_is_read_as_people_write_it(text: str, number: float) -> None:
    assert typed_number(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "five", "nan", "inf", "1e999", "0x10", "1_0", "1,00,000", "1.2.3", "5,5,5", "1 2", "10²", "1" * 101],
)
def test_other_text_is_no_number(text: str) -> None:
    assert typed_number(text) is None
    assert typed_integer(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("20", 20), ("20.0", 20), ("+1,000", 1000), ("\uff11\uff12", 12), ("9" * 99, 10**99 - 1)],
)
def test_a_whole_number_may_have_separators_and_a_zero_behind_the_point(text: str, number: int) -> None:
    assert typed_integer(text) == number


@pytest.mark.parametrize("text", ["5,5", "1.000", "1e3"])
def test_a_fraction_or_an_unclear_separator_makes_no_whole_number(text: str) -> None:
    assert typed_integer(text) is None


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (999.0, "999"),
        (0.5, "0.5"),
        (0.00001, "0.00001"),
        (2**53, "9007199254740992"),
        (1e20, "100000000000000000000"),
        (-(10**20) - 1, "-100000000000000000001"),
        (1.1e98, "1.1e98"),
        (1.25e-30, "1.25e-30"),
    ],
)
def test_a_number_is_shown_as_it_was_typed_unless_it_is_huge(number: float, shown: str) -> None:
    assert shown_number(number) == shown


@given(st.text("0123456789.,eE+- _\u0663\uff11\uff0c", max_size=120))
def test_any_text_is_a_finite_number_or_none(text: str) -> None:
    number, whole = typed_number(text), typed_integer(text)
    assert number is None or math.isfinite(number)
    assert whole is None or number == float(whole)
