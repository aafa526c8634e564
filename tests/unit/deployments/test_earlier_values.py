"""The form of earlier values: which inputs it shows, as which components, and the values of the new run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from discord import ComponentType

from bot.deployments.earlier_values import revise
from bot.deployments.form_fields import editable_fields, require_new_files, without_refused_files
from bot.deployments.model import Choice, Deployment, Input, picture_input
from bot.deployments.validation import AttachedFile
from bot.domain.backend import InputKind
from bot.domain.errors import InputError, InputErrors, RefusedError, WrongFiles
from bot.strings import explain
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


def test_the_form_begins_with_the_prompt_and_required_inputs() -> None:
    fields = editable_fields(deployment(SEED, STEPS, PROMPT, IMAGE), {"p": "a fox", "s": 7}, None)
    shown = [(field.name, field.value) for field in fields]
    assert shown == [("prompt", "a fox"), ("image", ""), ("seed", "7"), ("steps", "")]
    (field,) = editable_fields(deployment(STEPS), {"n": 9}, None, form_values={"steps": "999"})
    assert field.value == "999"


def test_the_gpu_comes_last_and_only_if_there_is_space() -> None:
    many = tuple(Input(key=f"k{n}", option=f"o{n}", kind=InputKind.TEXT) for n in range(9))
    few = editable_fields(deployment(*many[:4], gpus=("T4", "L4")), {}, "L4")
    assert (few[-1].name, few[-1].value) == ("gpu", "L4")
    fields = editable_fields(deployment(*many, gpus=("T4", "L4")), {}, "L4")
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
    made = deployment(
        replace(STEPS, default=20),
        replace(SEED, default=0),
        STYLE,
        Input(key="c", option="cfg", kind=InputKind.FLOAT, default=7.5),
        Input(key="h", option="hires", kind=InputKind.BOOLEAN, default=False),
        Input(key="g", option="negative", kind=InputKind.TEXT, default="", is_negative_prompt=True),
        replace(IMAGE, required=False),
        PROMPT,
    )
    assert [field.name for field in editable_fields(made, earlier, None)] == names
    refused = {"steps": "999", "style": "neon"}
    assert [field.name for field in editable_fields(made, earlier, None, form_values=refused)] == names


def sent(made: Deployment, earlier: dict[str, Any], typed: dict[str, Any]) -> dict[str, Any]:
    return revise(made, earlier, None, typed, boom).inputs.inputs


def test_choices_show_their_default_and_leave_it_unsent() -> None:
    hires = Input(key="h", option="hires", kind=InputKind.BOOLEAN, default=True)
    made = deployment(hires, replace(STYLE, default="oil"))
    assert [field.value for field in editable_fields(made, {}, None)] == ["yes", "Oil"]
    assert sent(made, {}, {"hires": "yes", "style": "Oil"}) == {}
    changed = {"h": False, "y": "ink-v2"}
    assert sent(made, {}, {"hires": "no", "style": "Ink"}) == changed
    assert sent(made, changed, {"hires": "yes", "style": "Oil"}) == {"h": True, "y": "oil"}
    required = deployment(replace(PROMPT, required=True, default="a fox"))
    assert sent(required, {}, {"prompt": "a fox"}) == {"p": "a fox"}


def test_every_mistake_is_told() -> None:
    made = deployment(replace(PROMPT, required=True), STEPS, SEED, STYLE, gpus=("T4", "L4"))
    typed = {"prompt": " ", "steps": "51", "seed": "x", "style": "neon", "gpu": "Z9"}
    with pytest.raises(InputErrors) as caught:
        revise(made, {"s": 7}, None, typed, boom)
    assert [error.params["option"] for error in caught.value.errors] == [*typed]
    lines = explain(caught.value).splitlines()
    assert len(lines) == 5
    assert lines[1] == "`steps` is 51, but must be at most 50."
    assert caught.value.code == caught.value.errors[0].code


def choosing(count: int, **more: Any) -> Input:
    choices = tuple(Choice("c" * 98 + f"{n:02}", str(n)) for n in range(count))
    return Input(key="x", option="x", kind=InputKind.CHOICE, choices=choices, **more)


SWITCH = Input(key="x", option="x", kind=InputKind.BOOLEAN)


SELECT, RADIO = ComponentType.select, ComponentType.radio_group


@pytest.mark.parametrize(
    ("item", "earlier", "kind"),
    [
        (SWITCH, True, ComponentType.checkbox),
        (replace(SWITCH, default=False), None, ComponentType.checkbox),
        # A checkbox can't stand for a default that nobody knows.
        (SWITCH, None, SELECT),
        (replace(SWITCH, required=True), None, RADIO),
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
    modal = form_modal("edit:abc:", "t", editable_fields(deployment(item), inputs, None)).to_dict()
    component = modal["components"][0]["component"]
    assert component["type"] == kind.value
    shown = [option["value"] for option in component.get("options", ()) if option.get("default")]
    preselects = earlier != "gone" and (earlier is not None or item.default is not None)
    assert len(shown) == (1 if preselects and component.get("options") else 0)
    assert all(len(option["label"]) <= 100 for option in component.get("options", ()))


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
    assert sent(deployment(negative), {}, typed) == {}


def test_an_input_that_no_longer_fits_is_dropped_by_name() -> None:
    earlier = {"p": "a", "n": 99, "y": "neon", "gone": 1}
    result = revise(deployment(PROMPT, STEPS, STYLE, gpus=("T4",)), earlier, "H100", {}, boom)
    assert (result.inputs.inputs, result.inputs.gpu) == ({"p": "a"}, None)
    assert set(result.dropped) == {"gone", "steps", "style", "gpu"}


def test_a_new_file_replaces_the_earlier_one_only_when_given() -> None:
    file = AttachedFile("https://cdn/b.png", "b.png", "image/png", 9)
    made, earlier = deployment(IMAGE), {"i": "https://cdn/a.png"}
    assert sent(made, earlier, {}) == earlier
    assert sent(made, earlier, {"image": (file,)}) == {"i": "https://cdn/b.png"}


def test_a_picture_goes_to_the_input_that_needs_one() -> None:
    optional = Input(key="o", option="mask", kind=InputKind.IMAGE)
    assert picture_input(deployment(optional, IMAGE)) is IMAGE
    assert picture_input(deployment(PROMPT)) is None


def boom(_: Input) -> int:
    raise AssertionError("no seed was to be drawn")


def test_a_form_requires_another_file_in_place_of_a_deleted_one() -> None:
    fields = editable_fields(deployment(PROMPT, IMAGE), {"p": "a fox", IMAGE.key: "https://x/a.png"}, None)
    prompt, image = require_new_files(fields, {IMAGE.key})
    assert (prompt.is_file_gone, image.is_file_gone, image.value) == (False, True, "")
    assert require_new_files(fields, set()) == fields
    with pytest.raises(RefusedError, match="parent_deleted"):
        require_new_files(fields[:1], {IMAGE.key})


def test_only_files_that_an_error_refuses_are_left_out() -> None:
    files = {name: (AttachedFile(f"https://x/{name}", name, None, 1),) for name in ("image", "mask")}
    values = {"prompt": "a fox", **files}
    mistakes = InputErrors([InputError("input_file_type", option="image"), InputError("x", option="prompt")])
    without = {"prompt": "a fox", "mask": files["mask"]}
    assert without_refused_files(values, mistakes) == without
    wrong = WrongFiles([InputError("input_file_type", option="image_2")], ["https://x/image"])
    assert without_refused_files(values, wrong) == without
    assert without_refused_files(values, RefusedError("paused")) == values
