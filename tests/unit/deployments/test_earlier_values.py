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
from bot.domain.errors import InputError, InputErrors, RefusedError
from bot.ui.forms import form_modal
from tests.unit.deployments.made import but, choice, offering

K = InputKind
PROMPT = input_of(key="p", option="prompt", kind=K.TEXT, is_prompt=True)
NEGATIVE = input_of(key="g", option="negative", kind=K.TEXT, default="blurry", is_negative_prompt=True)
SEED = input_of(key="s", option="seed", kind=K.INTEGER, is_seed=True, minimum=0, maximum=99)
STEPS = input_of(key="n", option="steps", kind=K.INTEGER, minimum=1, maximum=50)
OILS = (choice("Ink", "ink-v2"), choice("Oil", "oil"))
STYLE = input_of(key="y", option="style", kind=K.CHOICE, choices=OILS)
HIRES = input_of(key="h", option="hires", kind=K.BOOLEAN, default=False)
IMAGE = input_of(key="i", option="image", kind=K.IMAGE, required=True)
TEXTS = tuple(input_of(key=f"k{n}", option=f"o{n}", kind=K.TEXT) for n in range(9))


def fields_of(
    made: Deployment, stored: dict[str, Any], typed: dict[str, Any] | None = None, **more: Any
) -> tuple[FormField, ...]:
    return Draft(deployment=made, stored=[Stored(stored, "L4")]).fields(typed or {}, **more)


def sent(made: Deployment, stored: dict[str, Any], typed: dict[str, Any]) -> Merged:
    """Return the inputs of a form that was opened with stored values, and sent with typed ones."""
    stored_values = [Stored(stored, "L4")]
    return merge(made, changed(fields_of(made, stored), typed), stored_values, draw_seed=lambda *_: 3)


def test_a_form_shows_the_first_of_the_stored_values() -> None:
    draft = Draft(
        deployment=offering(PROMPT, STEPS), stored=[Stored({"n": 9}), Stored({"n": 5, "p": "a fox"})]
    )
    assert [field.value for field in draft.fields({})] == ["a fox", "9"]


def test_a_form_shows_what_was_typed_before_even_a_mistake() -> None:
    typed = {"steps": "many", "o7": "x", "count": 4, "more": "o1"}
    fields = fields_of(offering(PROMPT, *TEXTS, STEPS), {"n": 9}, typed, wrong={"steps"})
    shown = [(field.name, field.value) for field in fields]
    assert shown == [("prompt", ""), ("steps", "many"), ("o7", "x"), ("more", "o1"), ("count", "4")]


CHANGED = {"h": True, "y": "ink-v2"}
CHOOSING = offering(HIRES, but(STYLE, default="oil"))


@pytest.mark.parametrize(
    ("made", "stored", "typed", "inputs"),
    [
        # A default is not sent unless it replaces another value.
        (CHOOSING, {}, {"hires": "no", "style": "Oil"}, {}),
        (CHOOSING, {}, {"hires": "yes", "style": "Ink"}, CHANGED),
        (CHOOSING, CHANGED, {"hires": "no", "style": "Oil"}, {"h": False, "y": "oil"}),
        (offering(but(PROMPT, required=True, default="a fox")), {}, {"prompt": "a fox"}, {"p": "a fox"}),
        (offering(NEGATIVE), {}, {"negative": ""}, {}),
        # An emptied seed is drawn anew, and an emptied text is empty.
        (offering(SEED, NEGATIVE), {"s": 7, "g": "ugly"}, {"seed": "", "negative": ""}, {"s": 3, "g": ""}),
    ],
)
def test_the_values_of_a_form_that_is_sent(
    made: Deployment, stored: dict[str, Any], typed: dict[str, str], inputs: dict[str, Any]
) -> None:
    assert sent(made, stored, typed).inputs == inputs


def choosing(count: int, **more: Any) -> Input:
    choices = tuple(choice("c" * 98 + f"{n:02}", str(n)) for n in range(count))
    return input_of(key="x", option="x", kind=K.CHOICE, choices=choices, **more)


SWITCH = input_of(key="x", option="x", kind=K.BOOLEAN)
SELECT, RADIO, CHECKBOX = ComponentType.select, ComponentType.radio_group, ComponentType.checkbox


@pytest.mark.parametrize(
    ("item", "earlier", "kind"),
    [
        (but(SWITCH, default=False), None, CHECKBOX),
        # A checkbox can't stand for a default that nobody knows.
        (SWITCH, None, SELECT),
        (but(SWITCH, required=True), None, RADIO),
        # Without a default, an earlier choice must be clearable.
        (choosing(5), "4", SELECT),
        (choosing(5, default="1"), None, RADIO),
        (choosing(5, default="1"), "gone", SELECT),
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


def test_a_form_requires_another_file_in_place_of_a_deleted_one() -> None:
    made = offering(PROMPT, but(IMAGE, display_name="Prompt"))
    stored = {"p": "a fox", "i": "https://x/a.png"}
    assert not any(field.required for field in fields_of(made, stored))
    prompt, image = fields_of(made, stored, gone={"i"})
    assert (prompt.required, image.required) == (False, True)
    text, upload = form_modal("x", "t", [prompt, image]).to_dict()["components"]
    assert upload["component"]["min_values"] == 1
    assert (text["label"], upload["label"]) == ("prompt", "image"), "both are called Prompt"
    assert image.description == "The earlier file was deleted. Please attach another."
    with pytest.raises(RefusedError, match="parent_deleted"):
        Draft(deployment=made, stored=[Stored(stored)], asked=[PROMPT]).fields({}, gone={"i"})


def test_only_files_that_an_error_refuses_are_left_out() -> None:
    files = {name: (AttachedFile(f"https://x/{name}", name, None, 1),) for name in ("image", "mask")}
    about_options = InputErrors([InputError("x", option="image"), InputError("x", option="prompt")])
    assert {*without_refused_files({"prompt": "a fox", **files}, about_options)} == {"prompt", "mask"}
    assert without_refused_files(files, RefusedError("paused")) == files
