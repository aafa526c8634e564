from __future__ import annotations

from bot.deployments.command_plan import plan_commands
from bot.deployments.input_text import command_line
from bot.deployments.options import autocomplete
from tests.unit.deployments.flux import FLUX, file, take
from tests.unit.deployments.made import deployment, node


def test_suggestions_begin_with_what_was_typed_then_hold_it() -> None:
    options = ["red fox", "fox", "foxglove", "cat"] + [f"x{number}" for number in range(30)]
    made = deployment(node("animal", "Enum", choices=options))
    assert [choice.name for choice in autocomplete(made, "animal", "FOX")] == ["fox", "foxglove", "red fox"]
    assert len(autocomplete(made, "animal", "")) == 25
    assert autocomplete(made, "animal", "nothing like it") == []
    assert autocomplete(made, "no such option", "a") == []
    assert [choice.value for choice in autocomplete(made, "gpu", "a100")] == ["A100", "A100-80GB"]


def test_numbers_are_suggested_as_numbers() -> None:
    made = deployment(node("width", "NumberInt"), inputs={"width": {"choices": list(range(64, 64 * 40, 64))}})
    assert [choice.value for choice in autocomplete(made, "width", "102")] == [1024]


def test_the_command_line_gives_the_same_run() -> None:
    found = take(steps=30, sampler="ddim", hires=True, image1=file(), gpu="A100")
    line = command_line(plan_commands([FLUX]), FLUX, found.inputs, found.gpu)
    assert line.startswith("/generate prompt:a red fox")
    for part in ("steps:30", "sampler:DDIM", "hires:True", "seed:4242", "gpu:A100", "image1:"):
        assert part in line.split(" ")
    assert "quality" not in line
    assert "image2" not in line


def test_the_command_line_names_the_subcommand_and_puts_the_rest_in_more() -> None:
    nodes = [node(f"t{number}", "Text", default="x") for number in range(30)]
    made = deployment(*nodes, name="flux")
    plan = plan_commands([made, deployment(name="other")])
    line = command_line(plan, made, {"t0": "a", "t28": "b, c", "t29": "d"}, None)
    assert line == '/generate flux t0:a more:t28="b, c", t29=d'
