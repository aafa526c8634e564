"""The plan of /generate: what Discord takes, and what gives way where it doesn't."""

from __future__ import annotations

import re
from collections.abc import Sequence

import discord
import pytest
from discord import app_commands
from hypothesis import HealthCheck, assume, given, settings

from bot.deployments.command_plan import CommandPlan, OptionSpec, plan_commands, suggestions
from bot.deployments.model import Deployment
from bot.deployments.schema.field_types import MORE
from bot.domain.errors import StartupError
from cogs.generate import build_generate
from tests.unit.deployments.made import deployment, node, option_of
from tests.unit.deployments.strategies import deployments, several

# Discord's pattern, with Python's \w, which is narrower than \p{L}\p{N} with two scripts' marks.
NAME = re.compile(r"^[-_'\w\u0900-\u0963\u0e31-\u0e4e]{1,32}$")


def count_as_discord(payload: CommandPlan) -> int:
    """Count apart from the code under test: over the nested command, as the API would get it."""
    strings = [payload.name, payload.commands[0].description if payload.is_single else payload.description]
    for group in payload.groups:
        strings += [group, f"Deployments: {group}"]
    for command in payload.commands:
        if not payload.is_single:
            strings += [command.name, command.description]
        for option in command.options:
            strings += [option.name, option.description]
            for choice in option.choices:
                strings += [choice.name, str(choice.value)]
    return sum(map(len, strings))


def assert_discord_takes(plan: CommandPlan) -> None:
    assert count_as_discord(plan) == plan.size <= 8000
    beside = [command.group or command.name for command in plan.commands]
    assert len(set(beside)) <= 25
    assert all(beside.count(name) <= 25 for name in beside)
    for command in plan.commands:
        assert NAME.match(command.name)
        assert 1 <= len(command.description) <= 100
        assert len(command.options) <= 25
        names = [option.name for option in command.options]
        assert len(set(names)) == len(names)
        flags = [option.required for option in command.options]
        assert flags == sorted(flags, reverse=True)
        for option in command.options:
            assert_option(option)


def assert_option(option: OptionSpec) -> None:
    assert NAME.match(option.name)
    assert option.name.lower() == option.name
    assert 1 <= len(option.description) <= 100
    assert not (option.choices and option.autocomplete)
    assert len(option.choices) <= 25
    assert len({choice.name for choice in option.choices}) == len(option.choices)
    for choice in option.choices:
        assert 1 <= len(choice.name) <= 100
        assert len(str(choice.value)) <= 100
    item = option.item
    for bound in (item.minimum, item.maximum):
        assert bound is None or abs(bound) <= 2**53
    if item.minimum is not None and item.maximum is not None:
        assert item.minimum <= item.maximum
    if item.max_length is not None:
        assert (item.min_length or 0) <= item.max_length <= 6000


def assert_discordpy_takes(plan: CommandPlan) -> None:
    """Build the objects with discord.py, which checks names, descriptions and counts."""
    tree = app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))
    tree.add_command(build_generate(plan))
    (command,) = tree.get_commands()
    assert command.to_dict(tree)["name"] == "generate"


def assert_nothing_lost(plan: CommandPlan, made: Deployment) -> None:
    command = plan.command(made.name)
    assert command is not None
    offered = {option.key for option in command.options}
    for item in made.offered:
        assert item.key in offered or (option_of(command, MORE) is not None and not item.takes_file)
    if any(item.required and item.key not in offered for item in made.offered):
        assert next(option.required for option in command.options if option.name == "more")


def attachments_fit(made: Deployment) -> bool:
    return sum(item.takes_file for item in made.offered) <= 22


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(deployments())
def test_any_deployment_becomes_a_command_that_discord_takes_and_loses_no_input(made: Deployment) -> None:
    assume(attachments_fit(made))
    plan = plan_commands([made])
    assert_discord_takes(plan)
    assert_nothing_lost(plan, made)
    assert_discordpy_takes(plan)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(several())
def test_any_set_of_deployments_fits_or_says_what_to_cut(made: list[Deployment]) -> None:
    assume(all(attachments_fit(item) for item in made))
    try:
        plan = plan_commands(made)
    except StartupError as error:
        assert "Discord takes 8000" in error.mistakes[0]  # noqa: PT017
        return
    assert_discord_takes(plan)
    assert_discordpy_takes(plan)
    for item in made:
        assert_nothing_lost(plan, item)


PICTURES = [node(f"{'p' * 28}{number}", "Image") for number in range(30)]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ([deployment(name=f"d{number}") for number in range(26)], "give some of them a 'group'"),
        (
            [deployment(name="video"), deployment(name="ltx", group="video")],
            "'video' is the name of a group and of a deployment",
        ),
        ([deployment(*PICTURES)], "30 file inputs"),
        ([deployment(*PICTURES[:20], name=f"d{number}") for number in range(25)], "Discord takes 8000"),
    ],
    ids=["deployments", "a group's name", "files", "characters"],
)
def test_a_command_that_discord_would_refuse_is_refused_in_words(made: list[Deployment], told: str) -> None:
    with pytest.raises(StartupError, match=told):
        plan_commands(made)


def test_inputs_beyond_25_go_into_more_and_attachments_keep_their_option() -> None:
    texts = [node(f"t{number}", "Text", default="x") for number in range(30)]
    options = options_of(deployment(*texts, node("photo", "Image"), inputs={"t29": {"required": True}}))
    names = [option.name for option in options]
    assert len(names) == 25
    assert set(names[:3]) == {"t29", "photo", "t0"}, "t0 is taken for the prompt"
    assert names[-1] == "more"
    assert "t28" not in names
    assert "t28" in options[-1].description


def options_of(made: Deployment) -> Sequence[OptionSpec]:
    (command,) = plan_commands([made]).commands
    return command.options


def test_a_batch_shrinks_before_an_input_has_to_go_into_more() -> None:
    nodes = [node(f"t{number}", "Text", default="x") for number in range(22)]
    made = deployment(*nodes, node("images", "ImageBatch"), inputs={"images": {"max_count": 10}})
    (command,) = plan_commands([made]).commands
    assert option_of(command, MORE) is None
    assert len(command.options) == 25
    assert [option.key for option in command.options].count("images") == 2


def test_the_default_is_shown_in_the_description() -> None:
    made = deployment(node("steps", "NumberInt", default=20, description="Steps\nof sampling " + "x" * 100))
    described = options_of(made)[0].description
    assert described.startswith("Steps of sampling")
    assert described.endswith("… (default 20)")
    assert len(described) == 100


def test_gpu_is_offered_where_there_is_a_choice() -> None:
    def gpus(**settings: object) -> list[object]:
        made = deployment(**settings)
        is_offered = "gpu" in (option.name for option in options_of(made))
        return [choice.value for choice in suggestions(made, "gpu", "", {})] if is_offered else []

    assert gpus() == ["T4", "L4", "A10G", "L40S", "A100", "A100-80GB", "H100"]
    assert gpus(gpus=["T4", "B200"]) == ["T4", "B200"]
    assert gpus(gpus=["T4"]) == []


def test_over_8000_characters_the_largest_lists_become_autocomplete_first() -> None:
    long = [f"{'x' * 80}{number}" for number in range(20)]
    nodes = [node("big", "Enum", choices=long), node("small", "Enum", choices=["a", "b"])]
    plan = plan_commands([deployment(*nodes, name=f"d{number}") for number in range(5)])
    assert_discord_takes(plan)
    assert any(option_of(command, "big").autocomplete for command in plan.commands)
    assert all(option_of(command, "small").choices for command in plan.commands)
    assert all("GPU that it runs on" in option_of(command, "gpu").description for command in plan.commands)


def test_then_descriptions_shrink_and_then_inputs_move_into_more() -> None:
    def made(inputs: int) -> list[Deployment]:
        nodes = [
            node(f"input_{number}", "Text", default="x", description="d" * 90) for number in range(inputs)
        ]
        return [deployment(*nodes, name=f"d{number}") for number in range(25)]

    shrunk, moved = plan_commands(made(6)), plan_commands(made(24))
    assert_discord_takes(shrunk)
    assert option_of(shrunk.commands[0], MORE) is None
    assert_discord_takes(moved)
    assert option_of(moved.commands[0], MORE) is not None
    for item in made(24):
        assert_nothing_lost(moved, item)


def test_more_than_25_choices_are_suggested_instead_of_listed() -> None:
    option = options_of(deployment(node("s", "Enum", choices=tuple(f"o{number}" for number in range(26)))))[0]
    assert (option.autocomplete, option.choices) == (True, ())
