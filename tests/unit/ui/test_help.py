"""Help stays within a layout's limits, however many deployments there are and however long their words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from bot.deployments.command_plan import plan_commands
from bot.deployments.model import Choice, Deployment, Input
from bot.domain.backend import InputKind
from bot.domain.budgets import Block, Usage
from bot.domain.member_rules import Offer, standing
from bot.domain.requests import Member
from bot.domain.settings.rules_and_defaults import (
    Approval,
    ApprovalMode,
    Budget,
    Budgets,
    RolesFor,
    ServerRules,
)
from bot.ui.help import HelpText, deployment_layout, help_layout
from bot.ui.help_rules import rules_text
from tests.unit.ui.messages import components, options, text

WORST = "*_`~<@[" * 200
GPUS = tuple(f"GPU-{number}" for number in range(40))
NOW = datetime(2026, 5, 4, tzinfo=UTC)
LIMITED = Budget(runs_a_day=1_000_000, gpu_seconds_a_day=1_000_000, at_once=1_000_000)


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


def rules(deployments: Sequence[Deployment]) -> str:
    """Return a text with every rule and every name."""
    names = tuple(each.name for each in deployments)
    closed: RolesFor = {name: frozenset({5}) for name in (*names, *GPUS)}
    all_rules = ServerRules(
        approval=Approval(mode=ApprovalMode.SELECTED, deployments=frozenset(names), gpus=frozenset(GPUS)),
        budgets=Budgets(person=LIMITED, server=LIMITED),
        deployment_roles=closed,
        gpu_roles=closed,
    )
    usage = Usage(now=NOW, day_end=NOW, block=Block("x", NOW), paused=WORST)
    member = Member(id=1, created_at=NOW)
    offer = Offer(deployments=names, age_restricted=names, gpus=GPUS)
    shown = standing(member, usage, all_rules, offer, in_server=True, age_restricted_channel=False)
    return rules_text(shown, {each.name: each.title for each in deployments}.__getitem__)


@pytest.mark.parametrize("many", [1, 2, 10, 24, 55])
@pytest.mark.parametrize("words", ["", "short", WORST])
def test_help_fits_with_any_number_of_deployments_and_any_words(many: int, words: str) -> None:
    groups = [f"group-{number // 20}" if many > 25 else None for number in range(many)]
    # Discord's 8,000 characters for a command bound both together.
    inputs = 3 if many <= 10 else 0
    deployments = [deployment(number, inputs, words, group) for number, group in enumerate(groups)]
    plan = plan_commands(deployments)
    shown = HelpText(deployments, plan, lambda path: f"<{path}:{2**63}>", rules(deployments))
    for layout in (help_layout(shown), deployment_layout(deployments[0], shown)):
        assert 0 < len(text(layout)) <= 4000
        assert len(components(layout)) <= 40
        assert all(1 <= len(option["label"]) <= 100 for option in options(layout))
        assert all(len(component.get("options", ())) <= 25 for component in components(layout))
        names = [] if many == 1 else [each.name for each in deployments]
        assert sorted(option["value"] for option in options(layout)) == names


@pytest.mark.parametrize("inputs", [0, 1, 24, 80])
def test_one_deployment_with_very_many_options_fits_and_says_how_many_more(inputs: int) -> None:
    only = deployment(1, inputs=inputs, words=WORST)
    layout = deployment_layout(only, HelpText([only], plan_commands([only])))
    assert len(text(layout)) <= 4000
    assert ("more options" in text(layout)) is (text(layout).count("option_") < inputs)
