"""The judgements of `check` that need no service: clocks, addresses, the table of options."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from bot.deployments.catalogue import Catalogue
from bot.deployments.command_plan import plan_commands
from bot.deployments.model import Deployment, compile_deployment
from bot.deployments.schema import DeploymentSettings
from bot.domain.backend import DeploymentDescription
from bot.domain.errors import BackendUnreachable
from bot.domain.settings.rules_and_defaults import Approval, ServerRules
from bot.ops.check_comfydeploy import deployment_findings, options_table, rule_findings
from bot.ops.check_discord import compare_clock
from bot.ops.check_machine import send_webhook
from bot.ops.findings import Finding, Level, problem
from tests.unit.deployments.made import offering

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DATE = "Tue, 24 Nov 2026 12:00:00 GMT"


OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, OK), (4, OK), (-4, OK), (6, WARNING), (-59, WARNING), (61, ERROR)]
)
def test_a_clock_is_judged_by_its_deviation(seconds: int, level: Level) -> None:
    found = compare_clock(DATE, NOW + timedelta(seconds=seconds))
    assert found is not None
    assert found.level is level
    assert level is OK or ("ahead of" if seconds > 0 else "behind") in found.summary
    assert [compare_clock(date, NOW) for date in (None, "", "yesterday")] == [None] * 3


async def test_an_unreachable_address_is_told_in_words() -> None:
    url = "http://nobody.invalid"
    found = await send_webhook(url, f"{url}/webhooks/comfydeploy/check/x")
    assert isinstance(found, Finding)
    assert found.level is ERROR
    assert "can't be reached" in found.summary


def table(**described: Any) -> list[list[str]]:
    """Return the cells of the table of options."""
    config = DeploymentSettings.model_validate(
        {"name": "flux", "deployment_id": str(UUID(int=0)), **described}
    )
    made = compile_deployment(config, None, ())
    lines = options_table(made, plan_commands((made,)).commands[0])
    return [[cell.strip() for cell in line.split("  ") if cell] for line in lines]


def test_the_table_holds_every_option_and_no_fixed_input() -> None:
    inputs = {
        "prompt": {"kind": "text", "prompt": True, "max_length": 200},
        "steps": {"kind": "integer", "min": 4, "max": 40, "default": 20},
        "token": {"kind": "text", "fixed": "hunter2"},
        "cfg": {"kind": "float", "min": 1, "max": 9.5, "default": 4, "required": True},
        **{f"size_{n}": {"kind": "integer"} for n in range(30)},
    }
    rows = table(inputs=inputs)
    assert rows[:3] == [
        ["option", "type", "input", "needed", "takes", "default"],
        ["prompt", "string", "prompt", "yes", "up to 200 characters"],
        ["cfg", "number", "cfg", "yes", "1..9.5", "4"],
    ]
    assert "hunter2" not in str(rows)
    assert {f"size_{n}" for n in range(30)} <= {row[0] for row in rows}
    assert "'more'" in str(rows)


def test_the_table_shows_the_two_inputs_behind_a_size() -> None:
    sizes = {"choices": {"square": [512, 512], "tall": [512, 768]}, "default": "tall"}
    inputs = {key: {"kind": "integer", "default": 512} for key in ("width", "height")}
    row = table(sizes=sizes, inputs=inputs)[1]
    assert [*row[:3], row[4]] == ["size", "string", "width, height", "512 × 768"]
    assert row[3].startswith("Square 1:1 · 512 × 512, Tall")


class Away:
    """A ComfyDeploy that can't be reached."""

    gpus = ()

    async def describe_deployment(self, deployment_id: str) -> DeploymentDescription:
        raise BackendUnreachable(deployment_id)


UPSCALER = {"image": {"kind": "image"}, "prompt": {"kind": "text"}}


async def follow_up_findings(*labels: str, deployment: str = "up") -> dict[str, tuple[Level, str]]:
    """Return the findings of `check` about a deployment with these follow-ups, by subject."""
    then = [{"deployment": deployment, "label": label} for label in labels]
    tables = {"flux": {"inputs": {"prompt": {"kind": "text"}}, "then": then}, "up": {"inputs": UPSCALER}}
    configs = [
        DeploymentSettings.model_validate({"name": name, "deployment_id": str(UUID(int=number)), **table})
        for number, (name, table) in enumerate(tables.items())
    ]
    catalogue = Catalogue(configs, Away())  # type: ignore[arg-type]  # all that loading asks
    await catalogue.load()
    findings = [*deployment_findings(configs, catalogue)]
    return {each.subject: (each.level, str(each)) for each in reversed(findings)}


async def test_follow_ups_that_become_message_commands_are_listed() -> None:
    level, told = (await follow_up_findings("Upscale", "Enlarge"))["Message commands"]
    assert level is OK
    assert "'Upscale', 'Enlarge' on every picture." in told
    level, told = (await follow_up_findings("A", "B", "C", "D", "E"))["Message commands"]
    assert level is WARNING
    assert "'A', 'B', 'C', 'D' are on every picture" in told
    assert "'E' of 'flux'" in told
    assert "Message commands" not in await follow_up_findings()


async def test_a_follow_up_that_does_not_fit_is_told() -> None:
    level, told = (await follow_up_findings("Upscale", deployment="upp"))["Deployment"]
    assert level is Level.WARNING
    assert "follow-up 'Upscale' is not offered: there is no deployment 'upp'; did you mean 'up'?" in told


def test_a_finding_is_printed_with_its_remedy_and_lines_beneath() -> None:
    assert str(problem("Port", "taken.", "Free it.", "by a", "by b")) == (
        "error    Port: taken.\n         Remedy: Free it.\n         by a\n         by b"
    )


def deployment(**gpus: Any) -> Deployment:
    return offering(**gpus)


GPU_ROLES = ServerRules(gpu_roles={"A100": frozenset({1})})


APPROVAL = ServerRules(approval=Approval(gpus=frozenset({"H100"})))
ONLY_L4 = {"gpus": ("L4",), "default_gpu": "L4"}


@pytest.mark.parametrize(
    ("offered", "rules", "levels", "told"),
    [
        ({"gpus": ("A100", "L4"), "default_gpu": "L4"}, GPU_ROLES, [OK], "can run on every GPU"),
        (ONLY_L4, GPU_ROLES, [WARNING], "7: A100"),
        ({"gpus": ("A100",), "pinned_gpu": "L4"}, GPU_ROLES, [WARNING], "7: A100"),
        ({"gpus": ("A100", "L4")}, GPU_ROLES, [WARNING], "the default GPU isn't known for Flux"),
        ({"gpus": ("L4", "T4")}, GPU_ROLES, [WARNING, WARNING], "1 server has roles for GPUs"),
        (ONLY_L4, APPROVAL, [WARNING], "7: H100"),
        ({"gpus": ("L4", "T4")}, ServerRules(), [], ""),
    ],
)
def test_a_gpu_rule_without_effect_is_told(
    offered: dict[str, Any], rules: ServerRules, levels: list[Level], told: str
) -> None:
    findings = list(rule_findings({7: rules}, [deployment(**offered)]))
    assert [finding.level for finding in findings] == levels
    assert told in "\n".join(map(str, findings))


def test_the_first_of_many_servers_are_listed() -> None:
    (finding,) = rule_findings(dict.fromkeys(range(25), GPU_ROLES), [deployment(**ONLY_L4)])
    assert finding.summary.startswith("25 servers have rules for GPUs")
    assert (len(finding.lines), finding.lines[-1]) == (21, "and 5 more")
