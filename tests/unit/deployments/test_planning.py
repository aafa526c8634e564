from __future__ import annotations

import re

import discord
import pytest
from discord import app_commands
from hypothesis import HealthCheck, assume, given, settings

from bot.deployments.command_plan import CommandPlan, plan_commands, size
from bot.deployments.model import ATTACHMENTS, Deployment
from bot.deployments.naming import RESERVED
from bot.deployments.options import OptionChoice, OptionSpec, OptionType
from bot.domain.errors import StartupError
from cogs.generate import build_generate
from tests.unit.deployments.made import deployment, node
from tests.unit.deployments.strategies import deployments, several

# Discord's pattern, with Python's \w, which is narrower than \p{L}\p{N} with two scripts' marks.
NAME = re.compile(r"^[-_'\w\u0900-\u0963\u0e31-\u0e4e]{1,32}$")


def count_as_discord(payload: CommandPlan) -> int:
    """Written apart from the code under test: over the nested command, as the API would get it."""
    strings: list[str] = []

    def option(spec: OptionSpec) -> None:
        strings.extend([spec.name, spec.description])
        for choice in spec.choices:
            strings.extend([choice.name, str(choice.value)])

    strings.append(payload.name)
    strings.append(payload.commands[0].description if payload.is_single else payload.description)
    for group in payload.groups:
        strings.extend([group, f"Deployments: {group}"])
    for command in payload.commands:
        if not payload.is_single:
            strings.extend([command.name, command.description])
        for spec in command.options:
            option(spec)
    return sum(map(len, strings))


def assert_discord_takes(plan: CommandPlan) -> None:
    assert count_as_discord(plan) == size(plan) <= 8000
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
    for bound in (option.minimum, option.maximum):
        assert bound is None or abs(bound) <= 2**53
    if option.minimum is not None and option.maximum is not None:
        assert option.minimum <= option.maximum
    if option.max_length is not None:
        assert (option.min_length or 0) <= option.max_length <= 6000


def assert_discordpy_takes(plan: CommandPlan) -> None:
    """Build the objects with discord.py, which checks names, descriptions and counts."""

    async def never(*_: object) -> list[OptionChoice]:
        raise AssertionError("nobody calls it")

    tree = app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))
    tree.add_command(build_generate(plan, never, never))
    (command,) = tree.get_commands()
    assert command.to_dict(tree)["name"] == "generate"


def assert_nothing_lost(plan: CommandPlan, made: Deployment) -> None:
    command = plan.command(made.name)
    assert command is not None
    offered = {option.key for option in command.options}
    for item in made.offered:
        assert item.key in offered or (command.more and item.kind not in ATTACHMENTS)
    if any(item.required and item.key not in offered for item in made.offered):
        assert next(option.required for option in command.options if option.name == "more")


def attachments_fit(made: Deployment) -> bool:
    return sum(item.kind in ATTACHMENTS for item in made.offered) <= 22


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


def test_one_deployment_has_its_options_on_the_command_itself() -> None:
    plan = plan_commands([deployment(node("prompt", "Text"), group="video")])
    assert plan.is_single
    assert plan.path(plan.commands[0]) == "/generate"


def test_several_are_subcommands_and_grouped_only_where_configured() -> None:
    plan = plan_commands([deployment(name="flux"), deployment(name="ltx", group="video")])
    assert [plan.path(command) for command in plan.commands] == ["/generate flux", "/generate video ltx"]


def test_more_than_25_deployments_beside_each_other_are_refused_in_words() -> None:
    with pytest.raises(StartupError, match="give some of them a 'group'"):
        plan_commands([deployment(name=f"d{number}") for number in range(26)])


def test_groups_make_room_for_more_than_25() -> None:
    made = [deployment(name=f"d{number}", group=f"g{number % 3}", gpus=[]) for number in range(40)]
    assert_discord_takes(plan_commands(made))


def test_a_group_named_like_a_deployment_is_refused() -> None:
    with pytest.raises(StartupError, match="'video' is the name of a group and of a deployment"):
        plan_commands([deployment(name="video"), deployment(name="ltx", group="video")])


def test_inputs_beyond_25_go_into_more_and_attachments_keep_their_option() -> None:
    texts = [node(f"t{number}", "Text", default="x") for number in range(30)]
    made = deployment(*texts, node("photo", "Image"), inputs={"t29": {"required": True}})
    (command,) = plan_commands([made]).commands
    names = [option.name for option in command.options]
    assert len(names) == 25
    assert set(names[:3]) == {"t29", "photo", "t0"}, "t0 is taken for the prompt"
    assert names[-1] == "more"
    assert "t28" not in names
    assert "t28" in command.options[-1].description


def test_a_required_input_that_only_more_can_hold_makes_more_required() -> None:
    made = deployment(*(node(f"n{number}", "NumberInt") for number in range(30)))
    (command,) = plan_commands([made]).commands
    assert command.option_for("more").required


def test_too_many_attachments_are_refused_with_what_to_hide() -> None:
    with pytest.raises(StartupError, match="30 file inputs"):
        plan_commands([deployment(*(node(f"i{number}", "Image") for number in range(30)))])


def test_a_batch_is_several_attachments_of_which_the_first_is_required() -> None:
    made = deployment(node("images", "ImageBatch"), inputs={"images": {"max_count": 3}})
    options = plan_commands([made]).commands[0].options[:3]
    assert [(option.name, option.required) for option in options] == [
        ("image1", True),
        ("image2", False),
        ("image3", False),
    ]
    assert {option.type for option in options} == {OptionType.ATTACHMENT}


def test_a_batch_shrinks_before_an_input_has_to_go_into_more() -> None:
    nodes = [node(f"t{number}", "Text", default="x") for number in range(22)]
    made = deployment(*nodes, node("images", "ImageBatch"), inputs={"images": {"max_count": 10}})
    (command,) = plan_commands([made]).commands
    assert not command.more
    assert len(command.options) == 25
    assert [option.key for option in command.options].count("images") == 2


def test_the_default_is_shown_in_the_description() -> None:
    made = deployment(node("steps", "NumberInt", default=20, description="Steps\nof sampling " + "x" * 100))
    (option, _gpu) = plan_commands([made]).commands[0].options
    assert option.description.startswith("Steps of sampling")
    assert option.description.endswith("… (default 20)")
    assert len(option.description) == 100


def test_more_than_25_choices_are_suggested_instead_of_listed() -> None:
    made = deployment(node("s", "Enum", choices=tuple(f"o{number}" for number in range(26))))
    option = plan_commands([made]).commands[0].options[0]
    assert option.autocomplete
    assert option.choices == ()


def test_numbers_with_choices_are_offered_as_numbers() -> None:
    made = deployment(node("width", "NumberInt", default=512), inputs={"width": {"choices": [512, 1024]}})
    option = plan_commands([made]).commands[0].options[0]
    assert [choice.value for choice in option.choices] == [512, 1024]
    assert option.type is OptionType.INTEGER


def test_gpu_is_offered_where_there_is_a_choice() -> None:
    def gpu(**settings: object) -> OptionSpec | None:
        return plan_commands([deployment(**settings)]).commands[0].option_for("gpu")

    seven = ["T4", "L4", "A10G", "L40S", "A100", "A100-80GB", "H100"]
    assert [choice.value for choice in gpu().choices] == seven
    assert [choice.value for choice in gpu(gpus=["T4", "B200"]).choices] == ["T4", "B200"]
    assert gpu(gpus=["T4"]) is None


def test_over_8000_characters_the_largest_lists_become_autocomplete_first() -> None:
    long = [f"{'x' * 80}{number}" for number in range(20)]
    short = ["a", "b"]
    made = [
        deployment(
            node("big", "Enum", choices=long),
            node("small", "Enum", choices=short),
            name=f"d{number}",
        )
        for number in range(5)
    ]
    plan = plan_commands(made)
    assert_discord_takes(plan)
    assert any(command.option_for("big").autocomplete for command in plan.commands)
    assert all(command.option_for("small").choices for command in plan.commands)
    assert all("GPU that it runs on" in command.option_for("gpu").description for command in plan.commands)


def test_then_descriptions_shrink_and_then_inputs_move_into_more() -> None:
    def made(inputs: int) -> list[Deployment]:
        nodes = [
            node(f"input_{number}", "Text", default="x", description="d" * 90) for number in range(inputs)
        ]
        return [deployment(*nodes, name=f"d{number}") for number in range(25)]

    shrunk, moved = plan_commands(made(6)), plan_commands(made(24))
    assert_discord_takes(shrunk)
    assert not shrunk.commands[0].more
    assert_discord_takes(moved)
    assert moved.commands[0].more
    for item in made(24):
        assert_nothing_lost(moved, item)


def test_what_can_not_be_made_smaller_is_refused_in_words() -> None:
    pictures = [node(f"{'p' * 28}{number}", "Image") for number in range(20)]
    with pytest.raises(StartupError, match="Discord takes 8000"):
        plan_commands([deployment(*pictures, name=f"d{number}") for number in range(25)])


def test_the_bots_own_further_options_take_their_room() -> None:
    count = OptionSpec(name="count", description="How many", type=OptionType.INTEGER, minimum=1, maximum=4)
    made = deployment(*(node(f"t{number}", "Text", default="x") for number in range(40)))
    (command,) = plan_commands([made], [count]).commands
    assert command.option_for("count") == count
    assert len(command.options) == 25
    assert "count" in RESERVED
