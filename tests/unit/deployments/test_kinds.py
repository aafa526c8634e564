"""Each kind of input reads what it shows: a stored value survives a form that nobody changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.deployments.choices import input_of
from bot.deployments.files import linked_file, links_of
from bot.deployments.inputs import Input
from bot.domain.backend import InputKind
from tests.unit.deployments.made import choice

WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
NUMBERS = st.floats(-1e15, 1e15, allow_nan=False) | WHOLE
# Choices whose names are the values of others.
NAMES = st.lists(st.text("abc 1.5", min_size=1).filter(str.strip), unique=True, min_size=1, max_size=9)


def kind(kind: InputKind, **more: Any) -> Input:
    return input_of(key="k", option="o", kind=kind, **more)


def survives(made: Input, values: dict[str, Any]) -> bool:
    return made.parse(made.show(values)) == values == made.stored(values)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_text(text: str) -> None:
    assert survives(kind(InputKind.TEXT), {"k": text})


@given(WHOLE)
def test_a_whole_number(number: int) -> None:
    assert survives(kind(InputKind.INTEGER), {"k": number})


@given(NUMBERS)
def test_a_number(number: float) -> None:
    assert survives(kind(InputKind.FLOAT), {"k": number})


@given(st.booleans())
def test_yes_or_no(value: bool) -> None:
    assert survives(kind(InputKind.BOOLEAN), {"k": value})


@given(NAMES, st.randoms())
def test_a_choice_by_its_value_even_if_another_has_it_as_its_name(names: list[str], random: Any) -> None:
    names = list(dict.fromkeys(map(str.strip, names)))
    values = random.sample(names, len(names))
    made = kind(InputKind.CHOICE, choices=tuple(map(choice, names, values)))
    assert all(survives(made, {"k": value}) for value in values)


@given(st.lists(WHOLE, unique=True, min_size=1, max_size=9))
def test_a_number_that_is_chosen(numbers: list[int]) -> None:
    choices = tuple(choice(f"no. {number}", str(number)) for number in numbers)
    made = kind(InputKind.INTEGER, choices=choices)
    assert all(survives(made, {"k": number}) for number in numbers)


@given(st.lists(st.tuples(st.integers(1, 4096), st.integers(1, 4096)), unique=True, min_size=1, max_size=9))
def test_a_size(sides: list[tuple[int, int]]) -> None:
    parts = tuple(input_of(key=key, option=key, kind=InputKind.INTEGER) for key in ("w", "h"))
    sent = {f"{width} by {height}": {"w": width, "h": height} for width, height in sides}
    choices = tuple(choice(name, name) for name in sent)
    made = kind(InputKind.CHOICE, parts=parts, sent=sent, choices=choices)
    assert all(survives(made, {"w": width, "h": height}) for width, height in sides)


@given(st.lists(st.integers(0, 999), min_size=1, max_size=4))
def test_files(numbers: list[int]) -> None:
    links = [f"https://cdn.example/{number}.png" for number in numbers]
    several = kind(InputKind.IMAGES, max_count=4)
    for made, values in ((several, {"k": links}), (kind(InputKind.IMAGE), {"k": links[0]})):
        files = [("o", linked_file(link)) for link in made.show(values).split()]
        assert made.parse(files) == values == made.stored(values)
        assert links_of(values["k"]) == made.show(values).split()
