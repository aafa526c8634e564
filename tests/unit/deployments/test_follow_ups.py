"""Follow-ups: linking them to deployments, finding the one of an old button, inputs, message commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.comfydeploy.deployments import GPUS
from bot.deployments.draft import Draft
from bot.deployments.follow_ups import asked_inputs, find_follow_up, link_follow_ups, starting_values
from bot.deployments.inputs import AttachedFile
from bot.deployments.merge import Merged, Stored, merge
from bot.deployments.model import Deployment, FollowUp, compile_deployment
from bot.deployments.schema import load_deployments_file
from bot.domain.errors import StartupError
from tests.unit.cases import read_cases
from tests.unit.factories import made_run

FOLDER = Path(__file__).parent
DEPLOYMENTS = (FOLDER / "follow_ups.toml").read_text(encoding="utf-8")
PICTURE = AttachedFile("https://cdn.example/a.png", "a.png", "image/png", 9)
UPSCALE = 'deployment = "up"\nlabel = "Upscale"\ninputs = { scale = 2 }\n'
ANIMATE = 'deployment = "film"\nlabel = "Animate"\ninput = "first"\ncarry = ["prompt"]\n'


def loaded(folder: Path, *then: str, text: str = DEPLOYMENTS, of: str = "flux") -> dict[str, Deployment]:
    """Return the deployments of a file in which each of `then` follows a deployment."""
    file = folder / "deployments.toml"
    file.write_text("\n".join([text, *(f"[[deployments.{of}.then]]\n{each}" for each in then)]))
    configs = tuple(load_deployments_file(file).deployments.values())
    return link_follow_ups(configs, {each.name: compile_deployment(each, None, GPUS) for each in configs})


def linked(folder: Path, then: str) -> FollowUp:
    flux = loaded(folder, then)["flux"]
    assert flux.warnings == ()
    (found,) = flux.follow_ups
    return found


def test_fixed_values_are_stored_as_they_are_sent(tmp_path: Path) -> None:
    assert linked(tmp_path, UPSCALE).inputs == {"scale": 2}
    found = linked(tmp_path, 'deployment = "up"\nlabel = "U"\ninputs = { scale = "3", mode = "Sharp" }\n')
    assert found.inputs == {"scale": 3, "mode": "s"}
    found = linked(tmp_path, f'{ANIMATE}inputs = {{ size = "tall" }}\n')
    assert found.inputs == {"width": 512, "height": 768}


@pytest.mark.parametrize(("then", "sentences"), read_cases(FOLDER / "unfit_follow_ups.txt"))
def test_one_that_does_not_fit_is_left_out_and_told(
    tmp_path: Path, then: str, sentences: tuple[str, ...]
) -> None:
    flux = loaded(tmp_path, then, ANIMATE.replace("Animate", "Fits"))["flux"]
    assert [each.label for each in flux.follow_ups] == ["Fits"]
    assert flux.warnings == sentences


@pytest.mark.parametrize(("then", "sentences"), read_cases(FOLDER / "mistakes_in_follow_up.txt"))
def test_every_mistake_in_a_follow_up_is_told(tmp_path: Path, then: str, sentences: tuple[str, ...]) -> None:
    with pytest.raises(StartupError) as caught:
        loaded(tmp_path, then)
    assert caught.value.mistakes == sentences


def test_a_button_finds_its_follow_up_under_other_names(tmp_path: Path) -> None:
    ref = linked(tmp_path, UPSCALE).reference
    renamed = DEPLOYMENTS.replace("deployments.up", "deployments.larger")
    now = loaded(tmp_path, ANIMATE, UPSCALE.replace('"up"', '"larger"'), text=renamed)
    assert find_follow_up([*now.values()], now["flux"], ref) == now["flux"].follow_ups[1]
    now = loaded(tmp_path, UPSCALE, of="film")
    assert find_follow_up([*now.values()], now["flux"], ref) == now["film"].follow_ups[0]


def test_a_button_never_starts_another_follow_up(tmp_path: Path) -> None:
    ref = linked(tmp_path, UPSCALE).reference
    now = loaded(tmp_path, ANIMATE.replace("Animate", "Upscale"))
    assert find_follow_up([*now.values()], now["flux"], ref) is None


def opened(folder: Path, then: str, **inputs: Any) -> Draft:
    """Return the draft of a follow-up of a run of `flux` with these inputs, which takes its picture."""
    now = loaded(folder, then)
    (follow_up,) = now["flux"].follow_ups
    target = next(each for each in now.values() if each.deployment_id == follow_up.target)
    parent = made_run(deployment="flux", inputs=inputs, prompt="a default")
    values = starting_values(follow_up, target, now["flux"], parent)
    asked = asked_inputs(follow_up, target, values)
    draft = Draft(deployment=target, stored=[Stored(values)], asked=asked, takes=follow_up.takes)
    draft = draft.taking([PICTURE])
    assert draft is not None
    return draft


def shown(draft: Draft) -> list[tuple[str, str]]:
    return [(field.name, field.value) for field in draft.fields({})]


def sent(draft: Draft, **typed: str) -> Merged:
    return merge(draft.deployment, {**draft.files, **typed}, draft.stored, draw_seed=lambda *_: 0)


def test_a_carried_text_that_does_not_fit_is_told_and_a_required_one_asked_for(tmp_path: Path) -> None:
    made = opened(tmp_path, f'{UPSCALE}carry = ["prompt"]\n', positive="fox " * 10)
    assert (shown(made), sent(made).dropped) == ([], ["prompt"])
    assert shown(opened(tmp_path, ANIMATE, positive="x" * 4001)) == [("words", "x" * 4000)]


def test_a_form_asks_once_for_each_listed_and_required_input(tmp_path: Path) -> None:
    then = 'deployment = "up"\nlabel = "U"\nask = ["mode", "prompt", "Mode"]\ncarry = ["prompt"]\n'
    made = opened(tmp_path, then)
    assert shown(made) == [("mode", ""), ("prompt", "a default"), ("scale", "")]
    filled = {"image": PICTURE.url, "mode": "s", "scale": 4, "prompt": "a wolf"}
    assert sent(made, mode="Sharp", scale="4", prompt="a wolf").inputs == filled


def test_only_a_file_that_an_input_takes_goes_in(tmp_path: Path) -> None:
    made, other = opened(tmp_path, UPSCALE), replace(PICTURE, content_type="video/mp4")
    assert made.taking([other, PICTURE]) == made
    assert made.taking([other]) is None
