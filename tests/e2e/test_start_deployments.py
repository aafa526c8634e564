"""Starts that ComfyDeploy's list of deployments decides: an id that is mistyped, or a broken workflow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from demo.fake_comfydeploy.deployments import PICTURE_ID, DemoDeployment, InputNode, picture
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.discord.deployments import described
from tests.e2e.bot_process import BotProcess, CommandResult, bot_process

CONFIGURATION, LATER = 2, 1
LIMIT = 4 * 1024**2  # what the bot reads of an answer
MISTYPED = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e9999"
BROKEN = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e8888"
ENUM = InputNode(class_type="Enum", input_id="style", options="ink or neon")


def others(count: int, *, canvas_nodes: int = 300, first: int = 0) -> Iterable[DemoDeployment]:
    """Return other deployments of the account; 300 nodes are 25 KB."""
    for number in range(first, first + count):
        id = f"00000000-0000-4000-8000-{number:012}"
        yield replace(picture(), id=id, name=f"Workflow {number}", canvas_nodes=canvas_nodes)


def broken() -> DemoDeployment:
    return replace(picture(), id=BROKEN, name="Broken", inputs=(ENUM,))


@asynccontextmanager
async def home_with(folder: Path, *deployments: DemoDeployment) -> AsyncIterator[BotProcess]:
    async with bot_process(folder, comfydeploy=FakeComfyDeploy(deployments=deployments)) as home:
        yield home


async def size_of_list(comfydeploy: FakeComfyDeploy) -> int:
    headers = {"Authorization": f"Bearer {comfydeploy.api_key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{comfydeploy.url}/deployments", headers=headers) as reply,
    ):
        return len(await reply.read())


async def start(home: BotProcess, deployment_id: str) -> CommandResult:
    """Start the bot for one deployment; it has to end by itself."""
    return await home.command(LOG_LEVEL="CRITICAL", COMFYDEPLOY_DEPLOYMENT_ID=deployment_id)


def is_mistyped(said: CommandResult) -> bool:
    """Return whether the start ended for good, and named the mistyped id and no outage."""
    assert said.code == CONFIGURATION, said.err
    assert f"has no deployment with the id {MISTYPED}. Correct COMFYDEPLOY_DEPLOYMENT_ID" in said.err
    return "Start again" not in said.err


async def test_a_mistyped_id_in_a_large_account(tmp_path: Path) -> None:
    async with home_with(tmp_path, *others(200), picture()) as home:
        assert await size_of_list(home.comfydeploy) > LIMIT
        assert is_mistyped(await start(home, MISTYPED))


async def test_a_mistyped_id_beside_large_workflows(tmp_path: Path) -> None:
    async with home_with(tmp_path, *others(4, canvas_nodes=20_000), *others(40, first=4)) as home:
        assert await size_of_list(home.comfydeploy) > LIMIT
        assert is_mistyped(await start(home, MISTYPED))


async def test_a_mistyped_id_beside_a_broken_deployment(tmp_path: Path) -> None:
    async with home_with(tmp_path, broken(), *others(3)) as home:
        assert is_mistyped(await start(home, MISTYPED))


@pytest.mark.parametrize("count", [0, 12])
async def test_a_deployment_that_comfydeploy_fails_to_describe(tmp_path: Path, count: int) -> None:
    async with home_with(tmp_path, *others(count), broken()) as home:
        said = await start(home, BROKEN)
    assert said.code == CONFIGURATION, said.err
    assert f"ComfyDeploy fails to describe deployment {BROKEN}" in said.err
    assert "Enum" in said.err
    assert "deployments.toml" in said.err
    assert "Start again" not in said.err
    assert "has no deployment" not in said.err


async def test_check_says_how_to_mend_it(tmp_path: Path) -> None:
    async with home_with(tmp_path, picture(), broken()) as home:
        said = await home.command("check", COMFYDEPLOY_DEPLOYMENT_ID=BROKEN)
    (line,) = [line for line in said.out.replace("\n         ", " | ").splitlines() if "Deployment: " in line]
    assert "fails to describe" in line
    assert "Enum" in line.partition("Remedy: ")[2]
    assert "Try again" not in line


async def test_an_outage_is_none_of_these(tmp_path: Path) -> None:
    async with home_with(tmp_path, picture()) as home:
        home.comfydeploy.faults = Faults(deployment_status=500)
        said = await start(home, PICTURE_ID)
    assert said.code == LATER, said.err
    assert "Start again when it answers" in said.err


async def test_the_others_are_offered(tmp_path: Path) -> None:
    async with home_with(tmp_path, broken(), picture()) as home:
        (home.folder / "own.toml").write_text(described(fox=PICTURE_ID, owl=BROKEN), encoding="utf-8")
        await home.start(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="own.toml")
        assert f"ComfyDeploy fails to describe deployment {BROKEN}" in home.log
        commands = json.dumps(home.discord.commands.scopes[None])
        assert "owl" not in commands


async def test_a_broken_deployment_that_the_file_describes_is_offered(tmp_path: Path) -> None:
    async with home_with(tmp_path, broken()) as home:
        text = described(owl=BROKEN) + '[deployments.owl.inputs.prompt]\nkind = "text"\n'
        (home.folder / "own.toml").write_text(text, encoding="utf-8")
        said = await home.command("check", COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="own.toml")
        assert "offered from deployments.toml alone: ComfyDeploy fails to describe it" in said.out
        await home.start(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="own.toml")
        assert "generate" in json.dumps(home.discord.commands.scopes[None])
