from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.deployments.input_text import parse_more, write_more
from bot.domain.errors import InputError
from tests.unit.deployments.flux import refused, take


def test_more_fills_inputs_by_option_name_or_key_in_any_case() -> None:
    found = take(more='Steps=30, CFG = 4.5 , hires=YES, negative="ugly, \\"bad\\"", width=1024,')
    assert found.inputs["steps"] == 30
    assert found.inputs["cfg"] == 4.5
    assert found.inputs["hires"] is True
    assert found.inputs["negative"] == 'ugly, "bad"'
    assert found.inputs["width"] == 1024


@pytest.mark.parametrize(
    ("more", "code", "option"),
    [
        ("steps=99", "input_too_large", "steps"),
        ("steps=30.0001", "input_not_integer", "steps"),
        ("steps=", "input_not_integer", "steps"),
        ("stepz=20", "input_unknown", "stepz"),
        ("steps=20, steps=30", "input_twice", "steps"),
        ("prompt=a cat", "input_twice", "prompt"),
        ("image=https://evil.example/a.png", "input_file_in_more", "image"),
        ("images=https://evil.example/a.png", "input_file_in_more", "image"),
        ("quality=worst", "input_unknown", "quality"),
        ("lora=https://evil.example/x", "input_choice", "lora"),
        ("just words", "input_more_syntax", "more"),
        ('negative="never closed', "input_more_syntax", "more"),
        ('negative="a" b', "input_more_syntax", "more"),
        ("=20", "input_more_syntax", "more"),
    ],
)
def test_more_is_checked_like_the_other_options(more: str, code: str, option: str) -> None:
    error = refused(more=more)
    assert (error.code, error.params["option"]) == (code, option)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    assert "steps" in str(refused(more="stepz=20").params["choices"])


def test_curly_quotes_from_phones_are_quotes() -> None:
    assert parse_more("negative=“a, b”, steps=3") == [("negative", "a, b"), ("steps", "3")]


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.text().filter(lambda t: not set("“”„") & set(t))
        )
    )
)
def test_more_reads_back_what_it_wrote(pairs: list[tuple[str, str]]) -> None:
    assert parse_more(write_more(pairs)) == pairs


@given(st.text())
def test_any_text_in_more_is_read_or_refused(text: str) -> None:
    try:
        parse_more(text)
    except InputError as error:
        assert error.code == "input_more_syntax"  # noqa: PT017
