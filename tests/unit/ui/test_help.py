"""Help stays within a layout's limits, however many deployments there are and however long their words."""

from __future__ import annotations

import pytest

from bot.deployments.command_plan import plan_commands
from bot.deployments.model import Choice, Deployment, Input
from bot.domain.backend import InputKind
from bot.ui.help import deployment_layout, help_layout
from tests.unit.ui.messages import components, options, text

WORST = "*_`~<@[" * 200


def deployment(
    number: int, inputs: int = 3, words: str = "a description", group: str | None = None
) -> Deployment:
    options = tuple(
        Input(
            key=f"k{index}",
            option=f"option_{index}",
            kind=InputKind.TEXT,
            description=words,
            choices=tuple(Choice(f"{words[:60]}{n}", str(n)) for n in range(30)),
        )
        for index in range(inputs)
    )
    return Deployment(
        name=f"name-{number:03}",
        deployment_id="d",
        title=f"{words[:60]} {number}",
        description=words,
        inputs=options,
        group=group,
    )


@pytest.mark.parametrize("many", [1, 2, 10, 24, 55])
@pytest.mark.parametrize("words", ["", "short", WORST])
def test_help_fits_with_any_number_of_deployments_and_any_words(many: int, words: str) -> None:
    groups = [f"group-{number // 20}" if many > 25 else None for number in range(many)]
    # Discord's 8,000 characters for a command bound both together.
    inputs = 3 if many <= 10 else 0
    deployments = [deployment(number, inputs, words, group) for number, group in enumerate(groups)]
    plan = plan_commands(deployments)
    for layout in (help_layout(deployments, plan), deployment_layout(deployments[0], deployments, plan)):
        assert 0 < len(text(layout)) <= 4000
        assert len(components(layout)) <= 40
        assert all(1 <= len(option["label"]) <= 100 for option in options(layout))
        assert all(len(component.get("options", ())) <= 25 for component in components(layout))
        names = [] if many == 1 else [each.name for each in deployments]
        assert sorted(option["value"] for option in options(layout)) == names


@pytest.mark.parametrize("inputs", [0, 1, 24, 80])
def test_one_deployment_with_very_many_options_fits_and_says_how_many_more(inputs: int) -> None:
    only = deployment(1, inputs=inputs, words=WORST)
    layout = deployment_layout(only, [only], plan_commands([only]))
    assert len(text(layout)) <= 4000
    assert ("more options" in text(layout)) is (text(layout).count("option_") < inputs)
