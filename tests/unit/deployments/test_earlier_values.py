"""The form of earlier values: which inputs it shows, as which components, and the values of the new run."""

from __future__ import annotations

from typing import Any

import pytest
from discord import ComponentType

from bot.deployments.choices import input_of
from bot.deployments.draft import Draft, changed, without_refused_files
from bot.deployments.inputs import AttachedFile, FormField, Input
from bot.deployments.merge import Merged, Stored, merge
from bot.deployments.model import Deployment
from bot.domain.backend import InputKind
from bot.domain.errors import InputError, InputErrors, RefusedError, WrongFiles
from bot.strings import explain
from bot.ui.forms import form_modal
from tests.unit.deployments.made import but, choice, offering

PROMPT = input_of(key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True)
SEED = input_of(key="s", option="seed", kind=InputKind.INTEGER, is_seed=True, minimum=0, maximum=99)
STEPS = input_of(key="n", option="steps", kind=InputKind.INTEGER, minimum=1, maximum=50)
STYLE = input_of(
    key="y", option="style", kind=InputKind.CHOICE, choices=(choice("Ink", "ink-v2"), choice("Oil", "oil"))
)
IMAGE = input_of(key="i", option="image", kind=InputKind.IMAGE, required=True)


def fields_of(
    made: Deployment, stored: dict[str, Any], gpu: str | None = None, **typed: Any
) -> tuple[FormField, ...]:
    return Draft(deployment=made, stored=[Stored(stored, gpu)]).fields(typed)


def merged(
    made: Deployment, stored: dict[str, Any], sent: dict[str, Any], gpu: str | None = None, draw: Any = None
) -> Merged:
    """Return the inputs of a form that was opened with these values, and sent with others."""
    typed = changed(fields_of(made, stored, gpu), sent)
    return merge(made, [typed], [Stored(stored, gpu)], draw_seed=draw or boom)


def test_the_form_begins_with_the_prompt_and_required_inputs() -> None:
    fields = fields_of(offering(SEED, STEPS, PROMPT, IMAGE), {"p": "a fox", "s": 7})
    shown = [(field.name, field.value) for field in fields]
    assert shown == [("prompt", "a fox"), ("image", ""), ("seed", "7"), ("steps", "")]
    (field,) = fields_of(offering(STEPS), {"n": 9}, steps="999")
    assert field.value == "999"


def test_the_gpu_comes_last_and_only_if_there_is_space() -> None:
    many = tuple(input_of(key=f"k{n}", option=f"o{n}", kind=InputKind.TEXT) for n in range(9))
    few = fields_of(offering(*many[:4], gpus=("T4", "L4")), {}, "L4")
    assert (few[-1].name, few[-1].value) == ("gpu", "L4")
    fields = fields_of(offering(*many, gpus=("T4", "L4")), {}, "L4")
    assert [field.name for field in fields] == ["o0", "o1", "o2", "o3", "o4"]


@pytest.mark.parametrize(
    ("earlier", "names"),
    [
        # nothing typed: the texts, the drawn seed, then the order of the file
        ({"p": "a fox", "s": 7}, ["prompt", "negative", "seed", "steps", "style"]),
        # typed values go before it, and values that equal the defaults don't
        ({"p": "a fox", "s": 7, "h": True, "n": 20}, ["prompt", "negative", "hires", "seed", "steps"]),
        ({"p": "a fox", "s": 7, "y": "oil", "c": 2.5}, ["prompt", "negative", "style", "cfg", "seed"]),
        (
            {"p": "a fox", "i": "https://x/a.png", "y": "oil"},
            ["prompt", "negative", "style", "image", "steps"],
        ),
    ],
)
def test_the_form_shows_what_was_typed_before_the_rest(earlier: dict[str, Any], names: list[str]) -> None:
    made = offering(
        but(STEPS, default=20),
        but(SEED, default=0),
        STYLE,
        input_of(key="c", option="cfg", kind=InputKind.FLOAT, default=7.5),
        input_of(key="h", option="hires", kind=InputKind.BOOLEAN, default=False),
        input_of(key="g", option="negative", kind=InputKind.TEXT, default="", is_negative_prompt=True),
        but(IMAGE, required=False),
        PROMPT,
    )
    assert [field.name for field in fields_of(made, earlier)] == names


def sent(made: Deployment, earlier: dict[str, Any], typed: dict[str, Any]) -> dict[str, Any]:
    return dict(merged(made, earlier, typed).inputs)


def test_choices_show_their_default_and_leave_it_unsent() -> None:
    hires = input_of(key="h", option="hires", kind=InputKind.BOOLEAN, default=True)
    made = offering(hires, but(STYLE, default="oil"))
    assert [field.value for field in fields_of(made, {})] == ["yes", "Oil"]
    assert sent(made, {}, {"hires": "yes", "style": "Oil"}) == {}
    changed = {"h": False, "y": "ink-v2"}
    assert sent(made, {}, {"hires": "no", "style": "Ink"}) == changed
    assert sent(made, changed, {"hires": "yes", "style": "Oil"}) == {"h": True, "y": "oil"}
    required = offering(but(PROMPT, required=True, default="a fox"))
    assert sent(required, {}, {"prompt": "a fox"}) == {"p": "a fox"}


def test_every_mistake_is_told() -> None:
    made = offering(but(PROMPT, required=True), STEPS, SEED, STYLE, gpus=("T4", "L4"))
    typed = {"prompt": " ", "steps": "51", "seed": "x", "style": "neon", "gpu": "Z9"}
    with pytest.raises(InputErrors) as caught:
        merged(made, {"s": 7}, typed)
    assert [error.params["option"] for error in caught.value.errors] == [*typed]
    lines = explain(caught.value).splitlines()
    assert len(lines) == 5
    assert lines[1] == "`steps` is 51, but must be at most 50."
    assert caught.value.code == caught.value.errors[0].code


def choosing(count: int, **more: Any) -> Input:
    choices = tuple(choice("c" * 98 + f"{n:02}", str(n)) for n in range(count))
    return input_of(key="x", option="x", kind=InputKind.CHOICE, choices=choices, **more)


SWITCH = input_of(key="x", option="x", kind=InputKind.BOOLEAN)


SELECT, RADIO = ComponentType.select, ComponentType.radio_group


@pytest.mark.parametrize(
    ("item", "earlier", "kind"),
    [
        (SWITCH, True, ComponentType.checkbox),
        (but(SWITCH, default=False), None, ComponentType.checkbox),
        # A checkbox can't stand for a default that nobody knows.
        (SWITCH, None, SELECT),
        (but(SWITCH, required=True), None, RADIO),
        (choosing(1), "0", SELECT),
        (choosing(2, default="1"), "0", RADIO),
        (choosing(5, required=True), "4", RADIO),
        # Without a default, an earlier choice must be clearable.
        (choosing(5), "4", SELECT),
        (choosing(5), None, SELECT),
        (choosing(5, default="1"), None, RADIO),
        (choosing(5, required=True), None, RADIO),
        (choosing(5, default="1"), "gone", SELECT),
        (choosing(6), "0", SELECT),
        (choosing(25), "0", SELECT),
        (choosing(26), "0", ComponentType.text_input),
    ],
)
def test_each_field_is_the_component_that_suits_it(item: Input, earlier: Any, kind: ComponentType) -> None:
    inputs = {} if earlier is None else {"x": earlier}
    modal = form_modal("edit:abc:", "t", fields_of(offering(item), inputs)).to_dict()
    component = modal["components"][0]["component"]
    assert component["type"] == kind.value
    shown = [option["value"] for option in component.get("options", ()) if option.get("default")]
    preselects = earlier != "gone" and (earlier is not None or item.default is not None)
    assert len(shown) == (1 if preselects and component.get("options") else 0)
    assert all(len(option["label"]) <= 100 for option in component.get("options", ()))


def test_an_emptied_seed_is_drawn_anew_and_an_emptied_text_is_empty() -> None:
    negative = input_of(key="g", option="negative", kind=InputKind.TEXT, default="blurry")
    typed = {"seed": "", "negative": ""}
    result = merged(offering(SEED, negative), {"s": 7, "g": "ugly"}, typed, draw=lambda _: 3)
    assert result.inputs == {"s": 3, "g": ""}
    assert merged(offering(negative), {}, typed).dropped == ("seed",)
    assert sent(offering(negative), {}, {"negative": ""}) == {}


def test_an_input_that_no_longer_fits_is_dropped_by_name() -> None:
    earlier = {"p": "a", "n": 99, "y": "neon", "gone": 1}
    result = merged(offering(PROMPT, STEPS, STYLE, gpus=("T4",)), earlier, {}, "H100")
    assert (result.inputs, result.gpu) == ({"p": "a"}, None)
    assert set(result.dropped) == {"gone", "steps", "style", "gpu"}


def boom(_: Input) -> int:
    raise AssertionError("no seed was to be drawn")


def test_a_form_requires_another_file_in_place_of_a_deleted_one() -> None:
    made, stored = offering(PROMPT, IMAGE), {"p": "a fox", IMAGE.key: "https://x/a.png"}
    assert [field.required for field in Draft(deployment=made, stored=[Stored(stored)]).fields({})] == [
        False,
        False,
    ]
    prompt, image = Draft(deployment=made, stored=[Stored(stored)]).fields({}, gone={IMAGE.key})
    assert (prompt.required, image.required) == (False, True)
    assert image.description == "The earlier file was deleted. Please attach another."
    with pytest.raises(RefusedError, match="parent_deleted"):
        Draft(deployment=made, stored=[Stored(stored)], asked=[PROMPT]).fields({}, gone={IMAGE.key})


def test_a_text_that_is_too_long_for_a_form_stays_if_its_field_is_left_empty() -> None:
    made, stored = offering(but(PROMPT, required=True)), {"p": "fox " * 1200}
    (field,) = Draft(deployment=made, stored=[Stored(stored)]).fields({})
    assert (field.value, field.required) == ("", False)
    assert sent(made, stored, {"prompt": ""}) == stored
    assert sent(made, stored, {"prompt": "a wolf"}) == {"p": "a wolf"}


def test_what_was_typed_before_is_shown_and_its_mistakes_come_first() -> None:
    many = tuple(input_of(key=f"k{n}", option=f"o{n}", kind=InputKind.TEXT) for n in range(9))
    made, typed = offering(PROMPT, *many, STEPS), {"steps": "many", "o7": "x", "count": 4, "more": "o1"}
    fields = Draft(deployment=made, stored=[Stored({})]).fields(typed, wrong={"steps"})
    shown = [(field.name, field.value) for field in fields]
    assert shown == [("prompt", ""), ("steps", "many"), ("o7", "x"), ("more", "o1"), ("count", "4")]


def test_only_files_that_an_error_refuses_are_left_out() -> None:
    files = {name: (AttachedFile(f"https://x/{name}", name, None, 1),) for name in ("image", "mask")}
    values = {"prompt": "a fox", **files}
    mistakes = InputErrors([InputError("input_file_type", option="image"), InputError("x", option="prompt")])
    without = {"prompt": "a fox", "mask": files["mask"]}
    assert without_refused_files(values, mistakes) == without
    wrong = WrongFiles([InputError("input_file_type", option="image_2")], ["https://x/image"])
    assert without_refused_files(values, wrong) == without
    assert without_refused_files(values, RefusedError("paused")) == values
