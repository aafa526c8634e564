"""A plan becomes a slash command that Discord shows as planned and that hands on what a person gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord
import pytest
import simcord
from discord.ext import commands

from bot.deployments.command_plan import CommandPlan, plan_commands
from bot.deployments.inputs import RawValue
from bot.deployments.model import Deployment
from bot.deployments.options import CommandSpec, OptionChoice, autocomplete
from bot.deployments.validation import AttachedFile
from cogs.generate import build_generate
from tests.unit.deployments.made import deployment, node

FLUX = deployment(
    node("Ma requête", "Text", description="What to draw"),
    node("steps", "NumberSliderInt", default=20, minimum=1, maximum=50),
    node("cfg", "NumberSlider", default=7.5, minimum=0, maximum=30),
    node("hires", "Boolean", default=False),
    node("class", "Enum", default="euler", choices=("euler", "ddim")),
    node("model", "Enum", default="m1", choices=tuple(f"m{number}" for number in range(40))),
    node("images", "ImageBatch"),
    inputs={"images": {"required": False, "max_count": 2}, "Ma requête": {"min_length": 3, "max_length": 50}},
    name="flux",
)
LTX = deployment(node("prompt", "Text"), name="ltx", group="video", gpus=[])


class Bot(commands.Bot):
    """Only the compiled command; what arrives is kept for the test."""

    def __init__(self, deployments: Sequence[Deployment]) -> None:
        super().__init__(command_prefix="!", intents=discord.Intents(guilds=True))
        self.deployments = {item.name: item for item in deployments}
        self.arrived: list[tuple[str, Mapping[str, RawValue]]] = []
        self.plan = plan_commands(deployments)
        self.command = build_generate(self.plan, self.generate, self.complete)

    async def setup_hook(self) -> None:
        self.tree.add_command(self.command)
        await self.tree.sync()

    async def generate(
        self, interaction: discord.Interaction[Any], name: str, given: Mapping[str, RawValue]
    ) -> None:
        self.arrived.append((name, given))
        await interaction.response.send_message("Queued", ephemeral=True)

    async def complete(
        self, interaction: discord.Interaction[Any], name: str, option: str, current: str
    ) -> list[OptionChoice]:
        return autocomplete(self.deployments[name], option, current)


def planned(spec: CommandSpec) -> list[dict[str, Any]]:
    """Return the options as Discord's API wants them, built from the plan without discord.py."""
    types = {"string": 3, "integer": 4, "boolean": 5, "number": 10, "attachment": 11}
    payload = []
    for option in spec.options:
        entry: dict[str, Any] = {
            "type": types[option.type],
            "name": option.name,
            "description": option.description,
            "required": option.required,
        }
        limits = {
            "min_value": option.minimum,
            "max_value": option.maximum,
            "min_length": option.min_length,
            "max_length": option.max_length,
        }
        entry.update({key: value for key, value in limits.items() if value is not None})
        if option.choices:
            entry["choices"] = [{"name": choice.name, "value": choice.value} for choice in option.choices]
        if option.autocomplete:
            entry["autocomplete"] = True
        payload.append(entry)
    return payload


def payload_of(plan: CommandPlan) -> dict[str, Any]:
    bot = Bot([FLUX, LTX] if not plan.is_single else [FLUX])
    return bot.command.to_dict(bot.tree)


def test_the_payload_of_one_deployment_is_the_plan() -> None:
    plan = plan_commands([FLUX])
    payload = payload_of(plan)
    assert payload["name"] == "generate"
    assert payload["options"] == planned(plan.commands[0])
    assert payload["options"][0]["name"] == "ma_requête"


def test_several_deployments_are_subcommands_and_groups() -> None:
    plan = plan_commands([FLUX, LTX])
    options = {option["name"]: option for option in payload_of(plan)["options"]}
    assert options["flux"]["type"] == 1
    assert options["flux"]["options"] == planned(plan.commands[0])
    assert options["video"]["type"] == 2
    assert [entry["name"] for entry in options["video"]["options"]] == ["ltx"]


@dataclass
class Studio:
    """A server with the command of the deployments, and Alice, who uses it."""

    bot: Bot
    channel: simcord.ChannelHandle
    alice: simcord.MemberActor

    async def generate(self, words: str = "", **given: Any) -> simcord.InteractionResult:
        return await self.alice.slash(self.channel, f"generate {words}".strip(), **given)


@pytest.fixture
def deployments() -> list[Deployment]:
    return [FLUX]


@pytest.fixture
def simcord_bot(deployments: list[Deployment]) -> Bot:
    return Bot(deployments)


@pytest.fixture
def studio(simcord_bot: Bot, simcord_env: simcord.Env) -> Studio:
    guild = simcord_env.create_guild()
    channel = guild.create_text_channel("general")
    return Studio(simcord_bot, channel, guild.add_member(simcord_env.create_user("alice")))


async def test_what_a_person_gives_arrives_with_its_types(studio: Studio) -> None:
    values = {
        "ma_requête": "a red fox",
        "steps": 30,
        "cfg": 4.5,
        "hires": True,
        "class": "ddim",
        "gpu": "A100",
    }
    result = await studio.generate(**values, image1=("fox.png", b"\x89PNG\r\n"))
    assert result.response.content == "Queued"
    ((name, given),) = studio.bot.arrived
    file = given["image1"]
    assert name == "flux"
    assert {key: value for key, value in given.items() if key != "image1"} == values
    assert isinstance(file, AttachedFile)
    assert (file.filename, file.size) == ("fox.png", 6)
    assert file.url.startswith("http")


async def test_options_left_out_do_not_arrive(studio: Studio) -> None:
    await studio.generate(ma_requête="a red fox")
    assert studio.bot.arrived == [("flux", {"ma_requête": "a red fox"})]


async def test_a_long_list_is_suggested_from_and_anything_else_arrives(studio: Studio) -> None:
    choices = await studio.alice.autocomplete(studio.channel, "generate", "model", "m3")
    await studio.generate(ma_requête="a red fox", model="none of them")
    assert [choice["value"] for choice in choices] == ["m3", *(f"m{number}" for number in range(30, 40))]
    assert studio.bot.arrived[0][1]["model"] == "none of them"


@pytest.mark.parametrize("deployments", [[FLUX, LTX]], ids=["two"])
async def test_a_grouped_deployment_is_called_by_two_words(studio: Studio) -> None:
    await studio.generate("video ltx", prompt="a fox runs")
    await studio.generate("flux", ma_requête="a red fox")
    assert [name for name, _ in studio.bot.arrived] == ["ltx", "flux"]
