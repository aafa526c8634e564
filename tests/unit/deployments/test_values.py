"""Typed values and files: which are taken, refused, suggested, and written as a command again."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.deployments.choices import input_of
from bot.deployments.draft import mistaken_options
from bot.deployments.files import check_content, check_file, needs_content
from bot.deployments.inputs import Input
from bot.deployments.merge import merge, parse_more, seed_range
from bot.domain.backend import InputKind
from bot.domain.errors import InputError, RefusedError
from bot.gateway.interactions import suggestions
from tests.unit.deployments.flux import FLUX, drawn, file, refused, take
from tests.unit.deployments.made import choice, deployment, node

INK = "https://example.com/ink.safetensors"
WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
# Choices whose names are the values of others.
NAMES = st.lists(st.text("abc 1.5", min_size=1).filter(str.strip), unique=True, min_size=1, max_size=9)


def kind(kind: InputKind, **more: Any) -> Input:
    return input_of(key="k", option="o", kind=kind, **more)


def survives(made: Input, values: dict[str, Any]) -> bool:
    return made.parse(made.show(values)) == values == made.stored(values)


@given(
    st.tuples(
        st.just(InputKind.TEXT), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    )
    | st.tuples(st.just(InputKind.INTEGER), WHOLE)
    | st.tuples(st.just(InputKind.FLOAT), st.floats(-1e15, 1e15, allow_nan=False) | WHOLE)
    | st.tuples(st.just(InputKind.BOOLEAN), st.booleans())
)
def test_a_value_survives_a_form_that_nobody_changes(stored: tuple[InputKind, Any]) -> None:
    assert survives(kind(stored[0]), {"k": stored[1]})


def test_the_form_after_a_refusal_shows_a_number_as_people_type_it() -> None:
    assert kind(InputKind.FLOAT, maximum=30).field({}, 1e20).values == (f"1{'0' * 20}",)


@given(NAMES, st.randoms(), st.lists(WHOLE, unique=True, min_size=1, max_size=9))
def test_a_choice_survives_even_if_another_has_its_value_as_its_name(
    names: list[str], random: Any, numbers: list[int]
) -> None:
    names = list(dict.fromkeys(map(str.strip, names)))
    values = random.sample(names, len(names))
    made = kind(InputKind.CHOICE, choices=tuple(map(choice, names, values)))
    assert all(survives(made, {"k": value}) for value in values)
    choices = tuple(choice(f"no. {number}", str(number)) for number in numbers)
    assert all(survives(kind(InputKind.INTEGER, choices=choices), {"k": number}) for number in numbers)


def test_only_fixed_values_own_defaults_and_the_seed_are_sent_unasked() -> None:
    found = take()
    assert found.inputs == {"prompt": "a red fox", "seed": 4242, "quality": "best", "bare": "ours"}
    assert (found.runs[0][1], found.prompt, found.gpu) == (4242, "a red fox", None)
    assert found.texts == {"prompt": "a red fox", "bare": "ours"}
    assert take(gpu="h100").gpu == "H100"
    optional = deployment(node("prompt", "Text", default="a fox"), inputs={"prompt": {"required": False}})
    assert merge(optional, {}, draw_seed=drawn).prompt == "a fox"
    urls = take(image3=file("3.png"), image1=file("1.png")).inputs["images"]
    assert [url.rpartition("/")[2] for url in urls] == ["1.png", "3.png"]


@pytest.mark.parametrize(
    ("key", "given_value", "sent"),
    [
        ("steps", 30.0, 30),
        ("cfg", 5, 5),
        ("sampler", "ddim", "DDIM"),
        ("width", 1024.0, 1024),
        ("lora", "Ink", INK),
        ("lora", INK, INK),
        ("negative", "", ""),
        ("negative", "a\x00b\ud800", "ab?"),
    ],
)
def test_a_value_is_sent_under_its_real_key(key: str, given_value: Any, sent: Any) -> None:
    found = take(**{key: given_value}).inputs[key]
    assert found == sent
    assert type(found) is type(sent)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        *(("prompt", blank, "input_required") for blank in ("  \n ", "\u200b\u2060\ufeff")),
        ("prompt", "ab", "input_too_short"),
        ("prompt", "x" * 101, "input_too_long"),
        ("steps", 0, "input_too_small"),
        ("steps", 51, "input_too_large"),
        ("seed", 0, "input_too_small"),
        ("seed", 2**32, "input_too_large"),
        *(("steps", value, "input_not_integer") for value in (20.5, "twenty", math.inf, True)),
        *(("cfg", value, "input_not_number") for value in (math.nan, "1e999", "1e9999999")),
        *((key, "none", "input_choice") for key in ("hires", "sampler", "width", "gpu")),
        ("lora", "https://evil.example/x.safetensors", "input_choice"),
        ("steps", file(), "input_not_text"),
        ("image", "https://evil.example/a.png", "input_not_a_file"),
        ("image", file("a.png", "video/mp4"), "input_file_type"),
        *((key, file(), "input_file_type") for key in ("video", "audio")),
        ("image2", file("a.txt", "text/plain"), "input_file_type"),
        ("image", file(size=0), "input_file_empty"),
        ("file", file(size=250 * 1024**2 + 1), "input_file_too_large"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_naming_the_option(key: str, value: Any, code: str) -> None:
    error = refused(**{key: value})
    assert (error.code, error.params["option"]) == (code, key)


@given(
    st.dictionaries(
        st.sampled_from(["more", *(name for item in FLUX.offered for name in item.option_names)]),
        st.text() | st.integers() | st.floats() | st.booleans(),
    )
)
def test_anything_at_all_is_taken_or_refused_with_a_code(values: dict[str, Any]) -> None:
    try:
        found = merge(FLUX, values, draw_seed=drawn)
    except InputError as error:
        assert error.code.startswith("input_")  # noqa: PT017
    else:
        assert set(found.inputs) <= set(FLUX.inputs)
        assert 1 <= (found.runs[0][1] or 0) <= 4294967295


def test_more_fills_inputs_by_option_name_or_key_in_any_case() -> None:
    found = take(more='Steps=30, CFG = 4.5 , hires=YES, negative="ugly, \\"bad\\"", width=1024,').inputs
    typed = {"steps": 30, "cfg": 4.5, "hires": True, "negative": 'ugly, "bad"', "width": 1024}
    assert {key: found[key] for key in typed} == typed
    # The name of one may be the key of another.
    swapped = deployment(node("a", "NumberInt"), inputs={"b": {"kind": "integer", "option": "a"}})
    assert take(swapped, more="a=1, a_2=2").inputs == {"b": 1, "a": 2}
    # Phones write curly quotes.
    assert parse_more("negative=“a, b”, steps=3") == [("negative", "a, b"), ("steps", "3")]


URL = "https://evil.example/a.png"
UNREADABLE = ("just words", "=20", 'negative="a" b', 'negative="never closed')


@pytest.mark.parametrize(
    ("more", "code", "option"),
    [
        ("stepz=20", "input_unknown", "stepz"),
        ("steps=20, steps=30", "input_twice", "steps"),
        ("prompt=a cat", "input_twice", "prompt"),
        *((f"{key}={URL}", "input_file_in_more", "image") for key in ("image", "images")),
        ("quality=worst", "input_unknown", "quality"),
        *((text, "input_more_syntax", "more") for text in UNREADABLE),
    ],
)
def test_more_is_checked_like_the_other_options(more: str, code: str, option: str) -> None:
    error = refused(more=more)
    assert (error.code, error.params["option"]) == (code, option)
    assert code != "input_unknown" or "steps" in str(error.params["choices"])


def test_suggestions_begin_with_the_typed_text_or_contain_it() -> None:
    animals = ("red fox", "fox", "foxglove", "cat", *(f"x{number}" for number in range(30)))
    made = deployment(node("animal", "Enum", choices=animals))

    def suggested(item: Input, typed: str) -> list[str]:
        return [str(each.value) for each in suggestions(item.option_choices(), typed)]

    assert suggested(made.inputs["animal"], "FOX") == ["fox", "foxglove", "red fox"]
    assert suggested(made.gpu_input, "a100") == ["A100", "A100-80GB"]
    assert len(suggested(made.inputs["animal"], "")) == 25


K = InputKind
UNKNOWN = "application/octet-stream"
WRONG, STRANGE = "input_file_type", "input_file_unknown"


@pytest.mark.parametrize(
    ("kind", "name", "content_type", "found", "expected"),
    [
        # Discord and the content agree, or are both pictures.
        (K.IMAGE, "a.png", "image/png", "image/jpeg", None),
        # Discord knows that it is no picture, or judges by the name, which the content contradicts.
        (K.IMAGE, "a.png", "text/plain", "image/png", WRONG),
        (K.IMAGE, "a.png", "image/png", "text/plain", WRONG),
        (K.IMAGE, "a.png", "image/png", "image/x-icon", WRONG),
        (K.VIDEO, "a.mp4", "video/mp4", "image/png", WRONG),
        (K.AUDIO, "a.mp3", "audio/mpeg", "application/zip", WRONG),
        # Animated pictures are videos to many workflows, and a container holds both sound and pictures.
        (K.VIDEO, "a.gif", "image/gif", "image/gif", None),
        (K.VIDEO, "a.ogv", "video/ogg", "audio/ogg", None),
        (K.AUDIO, "a.m4a", "audio/mp4", "video/mp4", None),
        # The content is of no known type, or can't be read.
        (K.IMAGE, "a.png", "image/png", UNKNOWN, STRANGE),
        (K.IMAGE, "a.tga", "image/x-tga", UNKNOWN, None),
        (K.IMAGE, "a.png", UNKNOWN, None, None),
        (K.IMAGE, "a", UNKNOWN, None, STRANGE),
        # Discord doesn't know, and the content tells.
        (K.IMAGE, "a", UNKNOWN, "text/plain", WRONG),
        # Inputs that take any file.
        (K.FILE, "a.exe", "application/x-msdownload", "application/x-msdownload", None),
    ],
)
def test_what_discord_says_and_what_the_content_shows_decide(
    kind: InputKind, name: str, content_type: str | None, found: str | None, expected: str | None
) -> None:
    given, code = file(name, content_type), None
    try:
        check_file(kind, "image", given)
        if needs_content(kind, given):
            check_content(kind, "image", given, found)
    except InputError as error:
        code = error.code
    assert code == expected


def test_a_seed_is_drawn_within_its_range_and_what_json_carries() -> None:
    def drawn_from(**limits: int) -> tuple[int, int]:
        (seed,) = deployment(node("seed", "NumberInt", minimum=3), inputs={"seed": limits}).offered
        return seed_range(seed)

    assert [drawn_from(), drawn_from(min=0)] == [(3, 2**53 - 1), (0, 2**53 - 1)]
    assert [drawn_from(min=-5, max=9), drawn_from(min=-5, max=-2)] == [(0, 9), (-5, -2)]


def test_another_gpu_helps_unless_no_seconds_are_left() -> None:
    found = [mistaken_options(RefusedError("budget_gpu", left=left)) for left in (20, 0)]
    assert found == [{"gpu"}, set()]
