"""The plan becomes a slash command that Discord shows as planned and that passes on what a person typed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.deployments.choices import ChoiceInput
from bot.deployments.command_plan import CommandSpec
from demo.fake_comfydeploy.catalogue import all_deployments
from demo.fake_comfydeploy.deployments import EVERY_INPUT_ID, PICTURE_ID
from tests.discord.deployments import described
from tests.harness import Harness

MODELS = json.dumps([f"m{number}" for number in range(40)])
FLUX = f"""{described(flux=PICTURE_ID)}
[deployments.flux.inputs]
prompt = {{ option = "ma_requête", min_length = 3, max_length = 50 }}
style.choices = {MODELS}
style.required = false
"""
EVERY = f'{described(every=EVERY_INPUT_ID)}group = "all"\n'
WITH_EVERY: dict[str, Any] = {"comfydeploy": {"deployments": all_deployments()}}
TYPES = {"integer": 4, "float": 10, "boolean": 5} | dict.fromkeys(
    ("image", "images", "video", "audio", "file"), 11
)
LIMITS = {
    "min_value": "minimum",
    "max_value": "maximum",
    "min_length": "min_length",
    "max_length": "max_length",
}


def planned(spec: CommandSpec) -> list[dict[str, Any]]:
    """Return the options as Discord's API wants them, built from the plan without discord.py."""
    payload = []
    for option in spec.options:
        entry: dict[str, Any] = {
            "type": TYPES.get(option.item.kind, 3),
            "name": option.name,
            "description": option.description,
            "required": option.required,
        }
        limits = {key: getattr(option.item, name) for key, name in LIMITS.items()}
        is_limited = not isinstance(option.item, ChoiceInput)
        entry.update({key: value for key, value in limits.items() if value is not None and is_limited})
        if option.choices:
            entry["choices"] = [{"name": choice.name, "value": choice.value} for choice in option.choices]
        if option.autocomplete:
            entry["autocomplete"] = True
        payload.append(entry)
    return payload


def payload_options(bot: Harness) -> list[dict[str, Any]]:
    tree = bot.app.bot.tree
    options: list[dict[str, Any]] = tree.get_command("generate").to_dict(tree)["options"]
    return options


@pytest.mark.bot(deployments=FLUX)
async def test_the_payload_of_one_deployment_is_the_plan(bot: Harness) -> None:
    (spec,) = bot.app.bot.app.catalogue.plan.commands
    assert payload_options(bot) == planned(spec)
    assert payload_options(bot)[0]["name"] == "ma_requête"
    choices = await bot.alice.autocomplete(bot.channel, "generate", "style", "m3")
    assert [choice["value"] for choice in choices] == ["m3", *(f"m{number}" for number in range(30, 40))]


@pytest.mark.bot(deployments=FLUX + EVERY, **WITH_EVERY)
async def test_several_deployments_are_subcommands_and_groups(bot: Harness) -> None:
    flux, every = bot.app.bot.app.catalogue.plan.commands
    options = {option["name"]: option for option in payload_options(bot)}
    assert (options["flux"]["type"], options["flux"]["options"]) == (1, planned(flux))
    assert options["all"]["type"] == 2
    (grouped,) = options["all"]["options"]
    assert (grouped["name"], grouped["options"]) == ("every", planned(every))
    await bot.alice.slash(bot.channel, "generate flux", ma_requête="a red fox")
    assert (await bot.run()).inputs["prompt"] == "a red fox"
