"""Starts for which ComfyDeploy doesn't describe a deployment: a mistyped id, or a broken workflow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from demo.fake_comfydeploy.deployments import PICTURE_ID, DemoDeployment, InputNode, picture
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.discord.deployments import described
from tests.e2e.bot_process import BotProcess, bot_process

LATER = 1
MISTYPED = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e9999"
BROKEN = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e8888"
ENUM = InputNode(class_type="Enum", input_id="style", options="ink or neon")


def broken() -> DemoDeployment:
    return replace(picture(), id=BROKEN, name="Broken", inputs=(ENUM,))


@asynccontextmanager
async def home_with(folder: Path, *deployments: DemoDeployment) -> AsyncIterator[BotProcess]:
    async with bot_process(folder, comfydeploy=FakeComfyDeploy(deployments=deployments)) as home:
        yield home


async def test_a_start_without_any_description_names_what_to_check(tmp_path: Path) -> None:
    async with home_with(tmp_path, picture(), broken()) as home:
        for deployment_id in (MISTYPED, BROKEN):
            said = await home.command(LOG_LEVEL="WARNING", COMFYDEPLOY_DEPLOYMENT_ID=deployment_id)
            assert said.code == LATER, said.err
            assert f"does not describe deployment {deployment_id}" in said.err
            assert "has no deployment with this id, or an Enum input" in said.err
            assert "Start again when it answers" in said.err


async def test_the_others_are_offered(tmp_path: Path) -> None:
    async with home_with(tmp_path, broken(), picture()) as home:
        (home.folder / "own.toml").write_text(described(fox=PICTURE_ID, owl=BROKEN), encoding="utf-8")
        await home.start(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="own.toml")
        assert f"does not describe deployment {BROKEN}" in home.log
        commands = json.dumps(home.discord.commands.scopes[None])
        assert "owl" not in commands


async def test_a_broken_deployment_that_the_file_describes_is_offered(tmp_path: Path) -> None:
    async with home_with(tmp_path, broken()) as home:
        text = described(owl=BROKEN) + '[deployments.owl.inputs.prompt]\nkind = "text"\n'
        (home.folder / "own.toml").write_text(text, encoding="utf-8")
        said = await home.command("check", COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="own.toml")
        assert "offered from deployments.toml alone: ComfyDeploy doesn't describe it" in said.out
        await home.start(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="own.toml")
        assert "generate" in json.dumps(home.discord.commands.scopes[None])
