"""Work on what members and server owners send is bounded by lengths that are checked first."""

from __future__ import annotations

import pytest

from bot.deployments.choices import input_of
from bot.deployments.schema import Choice
from bot.domain.backend import InputKind
from bot.domain.text import NUMBER_LENGTH
from bot.word_filter.rules import compile_pattern


@pytest.mark.parametrize("length", [NUMBER_LENGTH, NUMBER_LENGTH + 1])
def test_only_a_short_text_is_read_as_a_number(length: int) -> None:
    """Two hundred choices and 6,000 digits stopped the bot for nearly two minutes."""
    digits = "1" * (length - 2)
    choices = (Choice(name="large", value=f"{digits}.0"),)
    item = input_of(key="size", option="size", kind=InputKind.CHOICE, choices=choices)
    assert item.fits({"size": f"{digits}."}) is (length <= NUMBER_LENGTH)


@pytest.mark.parametrize("pattern", [r"(?i)\pL{250}", r"(?i)(?:\pL\pN\pS){80}", r"\PL{1000}"])
def test_a_pattern_that_takes_long_to_compile_is_refused_within_little_memory(pattern: str) -> None:
    assert compile_pattern(pattern) is None
