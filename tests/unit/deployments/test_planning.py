"""The plan of /generate: what Discord takes, and what gives way where it doesn't."""

from __future__ import annotations

from collections.abc import Sequence

import discord
import pytest
from discord import app_commands
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bot.deployments.command_plan import CommandPlan, OptionSpec, plan_commands
from bot.deployments.model import Deployment
from bot.deployments.schema import InputSettings
from bot.deployments.schema.field_types import MORE
from bot.domain.errors import StartupError
from cogs.generate import build_generate
from tests.fakediscord.command_rules import check_commands
from tests.unit.deployments.made import compiled, config, deployment, info, node, option_of

CLASSES = """
Text TextAny TextSingleLine Number NumberSlider NumberInt NumberSliderInt Boolean Enum Image ImageAlpha
ImageBatch Video Audio File EXR Lora Checkpoint Whatever
"""
KEYS = ["prompt", "seed", "gpu", "more", "image", "image1", "images"]
_limits = st.none() | st.integers(-(2**60), 2**60) | st.floats(-1e6, 1e6)
_required = st.none() | st.booleans()
nodes = st.builds(
    node,
    st.sampled_from(KEYS) | st.text(min_size=1),
    st.sampled_from(CLASSES.split()),
    wire_type=st.sampled_from(["string", "integer", "float", "boolean", "binary", ""]),
    display_name=st.text(max_size=10),
    description=st.text(max_size=200),
    default=st.none() | st.text(max_size=40) | st.booleans() | st.integers(-(2**60), 2**60),
    has_hidden_default=st.booleans(),
    minimum=_limits,
    maximum=_limits,
    choices=st.lists(st.text(min_size=1, max_size=150), max_size=40).map(tuple),
)
_choices = st.lists(st.text("abc", min_size=1), unique=True, min_size=1, max_size=30)
input_configs = st.builds(InputSettings, required=_required, hidden=st.booleans()) | st.builds(
    InputSettings, required=_required, choices=_choices, max_count=st.none() | st.integers(1, 10)
)


@st.composite
def deployments(draw: st.DrawFn) -> Deployment:
    """Draw any deployment that ComfyDeploy might describe, configured in any way."""
    # Left alone, hypothesis draws short lists, and paging begins past 25.
    count = draw(st.integers(0, 40))
    found = tuple(draw(st.lists(nodes, min_size=count, max_size=count, unique_by=lambda item: item.key)))
    found += tuple(draw(st.lists(nodes, max_size=3)))
    keys = draw(st.lists(st.sampled_from(found), max_size=5)) if found else []
    configured = config(
        description=draw(st.none() | st.text(max_size=300)),
        gpus=draw(st.none() | st.lists(st.text("ABC", min_size=1, max_size=50), unique=True, max_size=30)),
    )
    inputs = {each.key.strip(): draw(input_configs) for each in keys if each.key.strip()}
    made = compiled(configured.model_copy(update={"inputs": inputs}), info(*found))
    assume(sum(item.takes_file for item in made.offered) <= 20)
    return made


@st.composite
def several(draw: st.DrawFn) -> list[Deployment]:
    """Draw up to 25 deployments of one or two kinds: drawing each anew costs more than planning them."""
    kinds = draw(st.lists(deployments(), min_size=1, max_size=2))
    count = draw(st.sampled_from([1, 3, 10, 25]))
    return [kinds[n % len(kinds)].model_copy(update={"name": f"deployment_{n}"}) for n in range(count)]


def assert_discord_takes(plan: CommandPlan) -> None:
    tree = app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))
    tree.add_command(build_generate(plan))
    (built,) = tree.get_commands()
    check_commands([built.to_dict(tree)])
    for item in (option.item for command in plan.commands for option in command.options):
        bounds = [bound for bound in (item.minimum, item.maximum) if bound is not None]
        assert bounds == sorted(bounds)
        assert item.max_length is None or (item.min_length or 0) <= item.max_length


def assert_nothing_lost(plan: CommandPlan, made: Deployment) -> None:
    command = plan.command(made.name)
    assert command is not None
    offered, more = [option.item for option in command.options], option_of(command, MORE)
    left = [item for item in made.offered if item not in offered]
    assert more is not None or not left
    assert not any(item.takes_file for item in left)
    assert not any(item.required for item in left) or (more and more.required)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(several())
def test_any_set_of_deployments_fits_and_loses_no_input_or_says_what_to_cut(made: list[Deployment]) -> None:
    try:
        plan = plan_commands(made)
    except StartupError as error:
        assert len(made) > 1
        assert "Discord takes 8000" in error.mistakes[0]  # noqa: PT017
        return
    assert_discord_takes(plan)
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


def options_of(made: Deployment) -> Sequence[OptionSpec]:
    (command,) = plan_commands([made]).commands
    return command.options


def test_inputs_beyond_25_go_into_more_and_attachments_keep_their_option() -> None:
    texts = [node(f"t{number}", "Text", default="x") for number in range(30)]
    options = options_of(deployment(*texts, node("late", "Text"), node("photo", "Image")))
    names = [option.name for option in options]
    assert len(names) == 25
    assert set(names[:3]) == {"late", "photo", "t0"}, "t0 is taken for the prompt"
    assert (names[-1], "t28" in names, "t28" in options[-1].description) == ("more", False, True)
    # Required inputs may be too many, too.
    required = options_of(deployment(*(node(f"t{number}", "Text") for number in range(30))))
    assert [option.name for option in required if not option.required] == ["gpu", "preset", "private"]


def test_a_batch_shrinks_before_an_input_has_to_go_into_more_and_one_gpu_is_no_option() -> None:
    nodes = [node(f"t{number}", "Text", default="x") for number in range(20)]
    images = {"images": {"max_count": 10}}
    options = options_of(deployment(*nodes, node("images", "ImageBatch"), inputs=images, gpus=["T4"]))
    assert (len(options), [option.item.key for option in options].count("images")) == (25, 3)
    assert {MORE, "gpu"}.isdisjoint(option.name for option in options)


def test_over_8000_characters_the_largest_lists_become_autocomplete_first() -> None:
    long = tuple(f"{'x' * 80}{number}" for number in range(20))
    nodes = [node("big", "Enum", choices=long), node("small", "Enum", choices=("a", "b"))]
    about = "a long description " * 9
    plan = plan_commands([deployment(*nodes, name=f"d{n}", description=about) for n in range(5)])
    assert_discord_takes(plan)
    assert any(option_of(command, "big").autocomplete for command in plan.commands)
    assert all(option_of(command, "small").choices for command in plan.commands)
    assert all("GPU that it runs on" in option_of(command, "gpu").description for command in plan.commands)
