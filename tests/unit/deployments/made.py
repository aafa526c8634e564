"""Deployments for the tests, as the real parser and compiler make them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bot.comfydeploy.deployments import GPUS, MULTI_LINE, kind_of, parse_deployment
from bot.deployments.choices import input_of
from bot.deployments.command_plan import CommandSpec, OptionSpec
from bot.deployments.inputs import Input
from bot.deployments.model import Deployment, FollowUp, compile_deployment
from bot.deployments.schema import Choice, DeploymentSettings, InputSettings
from bot.domain.backend import DeploymentDescription, InputDescription

SAMPLES = Path(__file__).parents[2] / "samples" / "comfydeploy"
UUID = "98244b49-9b56-46b8-83c8-334f27412095"
PREFIX = "ComfyUIDeployExternal"


def recorded() -> DeploymentDescription:
    """Return the recorded deployment that has a node of every class."""
    return parse_deployment(_body("deployment_get_ok"))


def recorded_list() -> dict[str, DeploymentDescription]:
    entries = json.loads(_body("deployments_list"))
    found = [parse_deployment(json.dumps(entry).encode()) for entry in entries]
    return {info.name: info for info in found}


def _body(name: str) -> bytes:
    sample = json.loads((SAMPLES / f"{name}.json").read_text())
    return json.dumps(sample["response"]["body"]).encode()


def config(
    name: str = "flux", *, inputs: dict[str, Any] | None = None, **settings: Any
) -> DeploymentSettings:
    described = {key: InputSettings.model_validate(value) for key, value in (inputs or {}).items()}
    return DeploymentSettings(name=name, **{"deployment_id": UUID, **settings}, inputs=described)


def node(key: str, class_type: str, *, wire_type: str = "", **fields: Any) -> InputDescription:
    name = PREFIX + class_type
    kind = kind_of(name, wire_type)
    return InputDescription(key=key, class_name=name, kind=kind, multi_line=name in MULTI_LINE, **fields)


def info(*nodes: InputDescription, **fields: Any) -> DeploymentDescription:
    return DeploymentDescription(id=UUID, inputs=nodes, **fields)


def compiled(config: DeploymentSettings, info: DeploymentDescription | None) -> Deployment:
    return compile_deployment(config, info, GPUS)


def option_of(command: CommandSpec, name: str) -> OptionSpec | None:
    return next((option for option in command.options if option.name == name), None)


def deployment(*nodes: InputDescription, inputs: dict[str, Any] | None = None, **settings: Any) -> Deployment:
    return compiled(config(inputs=inputs, **settings), info(*nodes))


def offering(*inputs: Input, **fields: Any) -> Deployment:
    """Return a deployment with these inputs, of which nothing is validated."""
    plain = {"name": "flux", "deployment_id": "d", "title": "Flux", "description": "", **fields}
    return Deployment.model_construct(**plain, inputs={item.key: item for item in inputs})


def but(item: Input, **fields: Any) -> Input:
    return input_of(**{**vars(item), **fields})


def follow_up(label: str, target: str, **fields: Any) -> FollowUp:
    return FollowUp.model_construct(deployment="up", label=label, target=target, **fields)


def choice(name: str, value: str) -> Choice:
    return Choice.model_construct(name=name, value=value)
