"""The form's choice of inputs, and what becomes of what was typed."""

from __future__ import annotations

from typing import Any

import pytest

from bot.deployments.earlier_values import MAX_FIELDS, editable_fields, revise
from bot.deployments.model import Choice, Deployment, Input, picture_input
from bot.deployments.validation import AttachedFile
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.ui.edit_forms import form_modal

PROMPT = Input(key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True)
SEED = Input(key="s", option="seed", kind=InputKind.INTEGER, is_seed=True, minimum=0, maximum=99)
STEPS = Input(key="n", option="steps", kind=InputKind.INTEGER, minimum=1, maximum=50)
STYLE = Input(
    key="y", option="style", kind=InputKind.CHOICE, choices=(Choice("Ink", "ink-v2"), Choice("Oil", "oil"))
)
IMAGE = Input(key="i", option="image", kind=InputKind.IMAGE, required=True)


def deployment(*inputs: Input, **more: Any) -> Deployment:
    return Deployment(
        name="flux", deployment_id="d", title="Flux", description="", inputs=inputs, **{"gpus": (), **more}
    )


def test_the_form_begins_with_the_prompt_then_what_is_needed() -> None:
    fields = editable_fields(deployment(SEED, STEPS, PROMPT, IMAGE), {"p": "a fox", "s": 7}, None)
    assert [(f.name, f.value) for f in fields] == [
        ("prompt", "a fox"),
        ("image", ""),
        ("seed", "7"),
        ("steps", ""),
    ]


def test_the_gpu_has_a_place_among_five() -> None:
    many = tuple(Input(key=f"k{n}", option=f"o{n}", kind=InputKind.TEXT) for n in range(9))
    fields = editable_fields(deployment(*many, gpus=("T4", "L4")), {}, "L4")
    assert len(fields) == MAX_FIELDS
    assert (fields[-1].name, fields[-1].value) == ("gpu", "L4")


def test_what_was_typed_stands_before_what_was_stored() -> None:
    (field,) = editable_fields(deployment(STEPS), {"n": 9}, None, form_values={"steps": "999"})
    assert field.value == "999"


@pytest.mark.parametrize("length", [0, 1, 4000, 4001, 6000])
def test_a_form_keeps_discords_limits(length: int) -> None:
    choices = tuple(Choice(f"choice {n}", str(n)) for n in range(25))
    wide = Input(
        key="w", option="w" * 32, kind=InputKind.CHOICE, description="x" * 300, choices=choices, required=True
    )
    offered = deployment(PROMPT, wide, IMAGE, SEED, gpus=tuple(f"G{n}" for n in range(25)))
    fields = editable_fields(offered, {"p": "x" * length}, None)
    sent = form_modal("edit:abc:", "t" * 300, fields).to_dict()
    assert len(sent["title"]) <= 45
    assert len(sent["components"]) <= 5
    for label in sent["components"]:
        assert len(label["label"]) <= 45
        assert len(label["description"]) <= 100
        component = label["component"]
        assert len(component.get("value", "")) <= min(component.get("max_length", 4000), 4000)
        assert len(component.get("options", ())) <= 25


def test_untyped_inputs_keep_their_earlier_values_and_the_seed() -> None:
    result = revise(deployment(PROMPT, SEED, STEPS), {"p": "a", "s": 7, "n": 9}, None, {"prompt": "b"}, boom)
    assert result.inputs.inputs == {"p": "b", "s": 7, "n": 9}
    assert (result.inputs.seed, result.inputs.prompt, result.dropped) == (7, "b", ())


def test_an_emptied_seed_is_drawn_anew_and_an_emptied_text_is_empty() -> None:
    negative = Input(key="g", option="negative", kind=InputKind.TEXT, default="blurry")
    typed = {"seed": "", "negative": ""}
    result = revise(deployment(SEED, negative), {"s": 7, "g": "ugly"}, None, typed, lambda _: 3)
    assert result.inputs.inputs == {"s": 3, "g": ""}
    assert "g" not in revise(deployment(negative), {}, None, typed | {}, boom).inputs.inputs


def test_what_no_longer_fits_is_dropped_by_name() -> None:
    earlier = {"p": "a", "n": 99, "y": "neon", "gone": 1}
    result = revise(deployment(PROMPT, STEPS, STYLE, gpus=("T4",)), earlier, "H100", {}, boom)
    assert result.inputs.inputs == {"p": "a"}
    assert result.inputs.gpu is None
    assert set(result.dropped) == {"gone", "steps", "style", "gpu"}


def test_a_typed_value_out_of_range_is_an_error() -> None:
    with pytest.raises(InputError) as caught:
        revise(deployment(STEPS), {"n": 9}, None, {"steps": "51"}, boom)
    assert caught.value.code == "input_too_large"


def test_a_new_file_replaces_the_earlier_one_only_when_given() -> None:
    file = AttachedFile("https://cdn/b.png", "b.png", "image/png", 9)
    kept = revise(deployment(IMAGE), {"i": "https://cdn/a.png"}, None, {}, boom)
    new = revise(deployment(IMAGE), {"i": "https://cdn/a.png"}, None, {"image": (file,)}, boom)
    assert (kept.inputs.inputs["i"], new.inputs.inputs["i"]) == ("https://cdn/a.png", "https://cdn/b.png")


def test_a_picture_goes_to_the_input_that_needs_one() -> None:
    optional = Input(key="o", option="mask", kind=InputKind.IMAGE)
    assert picture_input(deployment(optional, IMAGE)) is IMAGE
    assert picture_input(deployment(PROMPT)) is None


def boom(_: Input) -> int:
    raise AssertionError("no seed was to be drawn")
