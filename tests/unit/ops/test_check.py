"""What `check` says about the options of deployments and their follow-ups, without a service."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from bot.deployments.catalogue import Catalogue
from bot.deployments.command_plan import plan_commands
from bot.deployments.model import compile_deployment
from bot.deployments.schema import DeploymentSettings
from bot.domain.backend import DeploymentDescription
from bot.domain.errors import BackendUnreachable
from bot.ops.check_comfydeploy import check_deployments, option_names
from bot.ops.findings import Level


def configured(name: str, **table: Any) -> DeploymentSettings:
    given = {"name": name, "deployment_id": str(UUID(int=len(name))), **table}
    return DeploymentSettings.model_validate(given)


def options(**table: Any) -> str:
    """Return the line about the options of a deployment."""
    made = compile_deployment(configured("flux", **table), None, ())
    return option_names(made, plan_commands((made,)))


def test_every_option_is_named_and_no_fixed_input() -> None:
    inputs = {
        "prompt": {"kind": "text", "prompt": True, "max_length": 200},
        "token": {"kind": "text", "fixed": "hunter2"},
        **{f"side_{n}": {"kind": "integer"} for n in range(30)},
    }
    told = options(inputs=inputs)
    assert told.startswith("prompt side_0 ")
    assert "within 'more': " in told
    assert all(f"side_{n}" in told for n in range(30))
    assert "token" not in told
    sizes = {"choices": {"square": [512, 512]}, "default": "square"}
    sides = {key: {"kind": "integer", "default": 512} for key in ("width", "height")}
    assert options(sizes=sizes, inputs=sides) == "[size]"


class Away:
    """A ComfyDeploy that can't be reached."""

    gpus = ()

    async def describe_deployment(self, deployment_id: str) -> DeploymentDescription:
        raise BackendUnreachable(deployment_id)


async def test_a_follow_up_that_does_not_fit_is_told() -> None:
    then = [{"deployment": "upp", "label": "Upscale"}]
    configs = [configured("flux", inputs={"prompt": {"kind": "text"}}, then=then)]
    away: Any = Away()
    findings = await check_deployments(configs, Catalogue(configs, away), away)
    told = "follow-up 'Upscale' is not offered: there is no deployment 'upp'"
    assert any(each.level is Level.WARNING and told in str(each) for each in findings)
