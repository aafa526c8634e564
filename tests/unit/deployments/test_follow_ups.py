"""Follow-ups: what fits the deployments, which one an old button means, what a run gets, and the commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.comfydeploy.deployments import GPUS
from bot.comfydeploy.input_classes import input_class
from bot.deployments.compile.deployment import compile_deployment
from bot.deployments.config_file import load_deployments_file
from bot.deployments.follow_ups.link import link_follow_ups
from bot.deployments.follow_ups.message_commands import MAX_COMMANDS, message_commands
from bot.deployments.follow_ups.prepare import Preparation, find_follow_up
from bot.deployments.model import Deployment, FollowUp, Input
from bot.deployments.validation import AttachedFile
from bot.domain.errors import InputErrors, StartupError
from bot.domain.runs import Run, RunState
from tests.unit.factories import made_run

FLUX_ID, UP_ID, FILM_ID = (f"98244b49-9b56-46b8-83c8-33000000000{n}" for n in (1, 2, 3))
FLUX = f"""
[deployments.flux]
deployment_id = "{FLUX_ID}"
sizes.choices = {{ square = [512, 512], tall = [512, 768] }}
inputs.positive = {{ kind = "text", prompt = true, default = "a default" }}
inputs.width = {{ kind = "integer", default = 512 }}
inputs.height = {{ kind = "integer", default = 512 }}
inputs.mask = {{ kind = "image", required = false }}
inputs.secret = {{ kind = "text", fixed = "x" }}
"""
UP = f"""
[deployments.up]
deployment_id = "{UP_ID}"
inputs.image = {{ kind = "image", required = true }}
inputs.scale = {{ kind = "integer", min = 2, max = 4, required = true }}
inputs.mode = {{ kind = "choice", choices = [{{ name = "Sharp", value = "s" }}, "soft"], required = false }}
inputs.prompt = {{ kind = "text", prompt = true, max_length = 20, required = false }}
"""
FILM = f"""
[deployments.film]
deployment_id = "{FILM_ID}"
sizes.choices = {{ small = [256, 256], tall = [512, 768] }}
inputs.words = {{ kind = "text", prompt = true }}
inputs.first = {{ kind = "image", required = true }}
inputs.last = {{ kind = "image", required = false }}
inputs.clip = {{ kind = "video", required = false }}
inputs.width = {{ kind = "integer", default = 256 }}
inputs.height = {{ kind = "integer", default = 256 }}
inputs.seed = {{ kind = "integer", seed = true }}
"""
PICTURE = AttachedFile("https://cdn.example/a.png", "a.png", "image/png", 9)
CLIP = AttachedFile("https://cdn.example/a.mp4", "a.mp4", None, 9)
TO = "deployment = "
UPSCALE = 'deployment = "up"\nlabel = "Upscale"\ninputs = { scale = 2 }\n'
ANIMATE = 'deployment = "film"\nlabel = "Animate"\ninput = "first"\ncarry = ["prompt"]\n'


def loaded(folder: Path, *then: str, text: str = FLUX + UP + FILM) -> dict[str, Deployment]:
    """Return the deployments of a file in which each of `then` follows flux."""
    file = folder / "deployments.toml"
    file.write_text("\n".join([text, *(f"[[deployments.flux.then]]\n{each}" for each in then)]))
    configs = load_deployments_file(file, input_class)
    return link_follow_ups(configs, {each.name: compile_deployment(each, None, GPUS) for each in configs})


def linked(folder: Path, then: str) -> FollowUp:
    flux = loaded(folder, then)["flux"]
    assert flux.warnings == ()
    (found,) = flux.follow_ups
    return found


def zero(_: Input) -> int:
    return 0


def test_the_only_input_for_a_file_takes_the_result(tmp_path: Path) -> None:
    found = linked(tmp_path, f'{UPSCALE}emoji = "🔍"\nask = ["mode"]\n')
    assert (found.label, found.emoji, found.target) == ("Upscale", "🔍", UP_ID)
    assert (dict(found.takes), found.inputs, found.ask) == ({"image": "image"}, {"scale": 2}, ("mode",))


def test_fixed_values_are_stored_as_they_are_sent(tmp_path: Path) -> None:
    found = linked(tmp_path, 'deployment = "up"\nlabel = "U"\ninputs = { scale = "3", mode = "Sharp" }\n')
    assert found.inputs == {"scale": 3, "mode": "s"}
    found = linked(tmp_path, f'{ANIMATE}inputs = {{ size = "tall" }}\n')
    assert found.inputs == {"width": 512, "height": 768}


MISTAKES: Mapping[str, tuple[str, str]] = {
    "another name": ('deployment = "upp"\nlabel = "U"', "no deployment 'upp'; did you mean 'up'?"),
    "no such deployment": (f'{TO}"zzz"\nlabel = "U"', "no deployment 'zzz'; it can be flux, up, film"),
    "no such input": (f'{UPSCALE}input = "picture"', "deployment 'up' offers no input 'picture'"),
    "a wrong kind of input": (
        'deployment = "up"\nlabel = "U"\ninput = "scale"',
        "input 'scale' of 'up' is of kind 'integer', which takes no file",
    ),
    "several inputs": (f'{TO}"film"\nlabel = "A"', "for a picture; set 'input' to one of first, last"),
    "no input for a file": (
        'deployment = "words"\nlabel = "W"',
        "deployment 'words' has no input that takes a file",
    ),
    "carried from nowhere": (f'{UPSCALE}carry = ["mode"]', "deployment 'flux' offers no input 'mode'"),
    "carried to nowhere": (f'{UPSCALE}carry = ["height"]', "deployment 'up' offers no input 'height'"),
    "a fixed input of its own": (f'{UPSCALE}carry = ["secret"]', "'flux' offers no input 'secret'"),
    "a file carried": (f"{ANIMATE.replace('prompt', 'mask')}", "deployment 'film' offers no input 'mask'"),
    "a value out of range": (UPSCALE.replace("2", "9"), "'scale' of 'up' doesn't take 9"),
    "a choice that is none": (f'{UPSCALE[:-3]}, mode = "loud" }}', "'mode' of 'up' doesn't take 'loud'"),
    "a fixed file": (f'{UPSCALE[:-3]}, image = "https://x.example" }}', "doesn't take 'https://x.example'"),
    "asked for nothing": (f'{UPSCALE}ask = ["tempo"]', "deployment 'up' offers no input 'tempo'"),
    "too much to ask": ('deployment = "many"\nlabel = "M"', "ask for 6 inputs and a form takes 5: n0, n1"),
}
WORDS = f'[deployments.words]\ndeployment_id = "{FLUX_ID[:-1]}4"\ninputs.prompt = {{ kind = "text" }}\n'
MANY = "\n".join(
    [
        f'[deployments.many]\ndeployment_id = "{FLUX_ID[:-1]}5"\ninputs.image.kind = "image"',
        *(f'inputs.n{n} = {{ kind = "integer", required = true }}' for n in range(6)),
        "",
    ]
)


@pytest.mark.parametrize("name", MISTAKES)
def test_one_that_does_not_fit_is_left_out_and_told(tmp_path: Path, name: str) -> None:
    then, told = MISTAKES[name]
    others = WORDS if "words" in then else MANY if "many" in then else ""
    flux = loaded(tmp_path, then, ANIMATE.replace("Animate", "Fits"), text=FLUX + UP + FILM + others)["flux"]
    assert [each.label for each in flux.follow_ups] == ["Fits"]
    assert any(told in warning for warning in flux.warnings), flux.warnings
    assert all(w.startswith("deployment 'flux': follow-up '") for w in flux.warnings)


def test_one_whose_deployment_is_described_by_nothing_is_told(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    up = f"[deployments.up]\ndeployment_id = '{UP_ID}'\n"
    file.write_text(f"{FLUX}{up}[[deployments.flux.then]]\n{UPSCALE}")
    configs = load_deployments_file(file, input_class)
    flux = link_follow_ups(configs, {"flux": compile_deployment(configs[0], None, GPUS)})["flux"]
    assert flux.warnings == (
        "deployment 'flux': follow-up 'Upscale' is not offered: deployment 'up' is not offered",
    )


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ('label = "U"\ndeploymnt = "up"', "unknown setting 'deploymnt'; did you mean 'deployment'?"),
        (f'{UPSCALE}emoji = "up"', "'emoji' must be a single Unicode emoji, such as 🔍, not 'up'"),
        (f'{UPSCALE}emoji = "<:up:123456789012345678>"', "'emoji' must be a single Unicode emoji"),
        (f'{UPSCALE}emoji = "🔍🔍"', "'emoji' must be a single Unicode emoji"),
        (f'deployment = "up"\nlabel = "{"U" * 33}"', "'label'"),
        (f"{UPSCALE}ask = ['a', 'b', 'c', 'd', 'e', 'f']", "'ask' is too long"),
        (f'{UPSCALE}carry = ["scale"]', "input 'scale' is in both 'carry' and 'inputs'"),
        (f'{UPSCALE}input = "scale"', "input 'scale' takes the result"),
        ("deployment = 'up'\nlabel = 'U'\ninputs.a.b = 1", "follow-up 1, input 'a': must be text, a number"),
        (f"{UPSCALE}[[deployments.flux.then]]\n{UPSCALE}", "the label 'upscale' appears twice"),
    ],
)
def test_a_mistake_in_the_file_stops_it(tmp_path: Path, then: str, told: str) -> None:
    with pytest.raises(StartupError) as caught:
        loaded(tmp_path, then)
    assert any(told in mistake for mistake in caught.value.mistakes), caught.value.mistakes


def test_a_button_finds_its_follow_up_under_other_names(tmp_path: Path) -> None:
    ref = linked(tmp_path, UPSCALE).reference
    renamed = UP.replace("deployments.up", "deployments.larger")
    moved = UPSCALE.replace('"up"', '"larger"')
    now = loaded(tmp_path, ANIMATE, moved, text=FLUX + renamed + FILM)
    assert find_follow_up([*now.values()], now["flux"], ref) == now["flux"].follow_ups[1]
    elsewhere = f"{FLUX}{UP}{FILM}[[deployments.film.then]]\n{UPSCALE}"
    now = loaded(tmp_path, text=elsewhere)
    assert find_follow_up([*now.values()], now["flux"], ref) == now["film"].follow_ups[0]


def test_a_button_never_starts_another_follow_up(tmp_path: Path) -> None:
    ref = linked(tmp_path, UPSCALE).reference
    for count in (1, 2):
        others = (f'deployment = "up"\nlabel = "{n}×"\ninputs.scale = {n}\n' for n in range(2, 2 + count))
        now = loaded(tmp_path, *others)
        assert find_follow_up([*now.values()], now["flux"], ref) is None
    now = loaded(tmp_path, ANIMATE.replace("Animate", "Upscale"))
    assert find_follow_up([*now.values()], now["flux"], ref) is None


def prepared(folder: Path, then: str, **inputs: Any) -> Preparation:
    now = loaded(folder, then)
    assert now["flux"].warnings == ()
    (follow_up,) = now["flux"].follow_ups
    target = next(each for each in now.values() if each.deployment_id == follow_up.target)
    return Preparation.of(follow_up, target, parent(**inputs), now["flux"])


def parent(**inputs: Any) -> Run:
    return made_run(RunState.SUCCEEDED, deployment="flux", inputs=inputs, prompt="a default")


def sent(made: Preparation, *files: AttachedFile, **form_values: str) -> Mapping[str, Any]:
    taken = made.choose(files or (PICTURE,))
    assert taken is not None
    return made.revise(taken, form_values, zero).inputs.inputs


def test_inputs_are_carried_by_name_and_the_prompt_by_its_role(tmp_path: Path) -> None:
    then = ANIMATE.replace('"prompt"', '"prompt", "size"')
    made = prepared(tmp_path, then, positive="a fox", width=512, height=768)
    assert made.fields({}) == ()
    assert sent(made) == {
        "words": "a fox",
        "first": PICTURE.url,
        "width": 512,
        "height": 768,
        "seed": 0,
    }
    assert sent(prepared(tmp_path, ANIMATE))["words"] == "a default"


def test_the_first_file_that_fits_goes_in(tmp_path: Path) -> None:
    made = prepared(tmp_path, UPSCALE)
    other = replace(PICTURE, url="https://cdn.example/b.png")
    assert made.choose([CLIP, PICTURE, other]) == ("image", PICTURE.url)
    assert made.choose([CLIP]) is None
    assert made.choose([]) is None
    film = prepared(tmp_path, 'deployment = "film"\nlabel = "C"\ninput = "clip"\n')
    assert film.choose([PICTURE, CLIP]) == ("clip", CLIP.url)


def test_a_form_asks_for_what_is_listed_and_what_is_needed(tmp_path: Path) -> None:
    then = f'{TO}"up"\nlabel = "U"\nask = ["mode", "prompt"]\ncarry = ["prompt"]\n'
    made = prepared(tmp_path, then)
    assert [(field.name, field.value) for field in made.fields({})] == [
        ("mode", ""),
        ("prompt", "a default"),
        ("scale", ""),
    ]
    assert sent(made, mode="Sharp", scale="4", prompt="a wolf") == {
        "image": PICTURE.url,
        "mode": "s",
        "scale": 4,
        "prompt": "a wolf",
    }
    with pytest.raises(InputErrors):
        sent(made, scale="9")


def test_a_carried_text_that_does_not_fit_is_told_and_a_required_one_asked_for(tmp_path: Path) -> None:
    long = "fox " * 10
    made = prepared(tmp_path, f'{UPSCALE}carry = ["prompt"]\n', positive=long)
    assert made.fields({}) == ()
    assert made.revise(("image", PICTURE.url), {}, zero).dropped == ("prompt",)
    made = prepared(tmp_path, ANIMATE, positive="x" * 6001)
    (field,) = made.fields({})
    assert (field.name, len(field.value)) == ("words", 4000)


def test_the_first_four_that_take_pictures_become_message_commands(tmp_path: Path) -> None:
    labels = ["One", "Two", "Three", "Four", "Five"]
    clip = 'deployment = "film"\nlabel = "Clip"\ninput = "clip"\n'
    text = f"{FLUX}{UP}{FILM}[[deployments.film.then]]\n{UPSCALE.replace('Upscale', 'One')}"
    text += "[[deployments.film.then]]\n" + ANIMATE.replace("Animate", "two").replace('["prompt"]', "[]")
    own = UPSCALE.replace("Upscale", "use as INPUT")
    then = (clip, own, *(UPSCALE.replace("Upscale", label) for label in labels))
    found = message_commands([*loaded(tmp_path, *then, text=text).values()])
    assert [each.label for each in found.offered] == labels[:MAX_COMMANDS]
    assert found.left_out == (
        "'use as INPUT' of 'flux', whose name is taken",
        "'Five' of 'flux'",
        "'two' of 'film', whose name is taken",
    )
