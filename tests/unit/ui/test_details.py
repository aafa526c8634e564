"""Details within a layout's limits, whatever was typed."""

from __future__ import annotations

from typing import Any

import pytest

from bot.deployments.command_plan import CommandPlan, plan_commands
from bot.deployments.model import Deployment, Input
from bot.domain.backend import InputKind
from bot.domain.runs import Run
from bot.ui.details import details
from tests.unit.factories import made_run
from tests.unit.ui.messages import text

PROMPT = Input(key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True)
FLUX = Deployment(name="flux", deployment_id="d", title="Flux", description="", inputs=(PROMPT,))


def plan() -> CommandPlan:
    return plan_commands([FLUX])


def run(**more: Any) -> Run:
    return made_run(**{"inputs": {"p": "a fox"}, **more})


def test_short_details_need_no_file() -> None:
    assert details(run(), "Flux", FLUX, plan()).file is None


@pytest.mark.parametrize("prompt", ["x" * 6000, "*" * 3000, "a ``` b", "<@1>" * 900])
def test_long_or_fenced_prompts_are_whole_in_the_file(prompt: str) -> None:
    found = details(run(inputs={"p": prompt}), "Flux", FLUX, plan())
    assert found.file is not None
    assert f"/generate prompt:{prompt}" in found.file
    assert len(text(found.layout)) <= 4000


def test_many_inputs_keep_the_layouts_limit() -> None:
    inputs = {f"key{n}": "*" * 500 for n in range(60)}
    found = details(run(inputs=inputs), "Flux", None, plan())
    assert len(text(found.layout)) <= 4000
    assert found.file is not None
    assert "key59" in found.file
