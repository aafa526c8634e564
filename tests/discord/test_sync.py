"""Commands are synced when they changed, where the settings say, and cleared elsewhere."""

from __future__ import annotations

from pathlib import Path

import discord
import pytest

from demo.standin.deployments import PICTURE_ID, VIDEO_ID
from tests.discord.rendered import requests_to
from tests.harness import Harness

ONE = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\n'
TWO = ONE + f'[deployments.video]\ndeployment_id = "{VIDEO_ID}"\n'
SERVER = 1456074443980809999


def syncs(bot: Harness) -> list[tuple[str, list[str]]]:
    """(scope, names of the commands) of each sync so far."""
    return [
        (
            request.path.partition("/guilds/")[2].partition("/")[0] or "global",
            [command["name"] for command in request.json],
        )
        for request in requests_to(bot, "PUT", "/commands")
    ]


async def test_a_second_start_syncs_nothing(bot: Harness) -> None:
    assert [scope for scope, _ in syncs(bot)] == ["global"]
    assert "generate" in syncs(bot)[0][1]
    await bot.restart()
    assert len(syncs(bot)) == 1
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    assert not asked.ephemeral


@pytest.mark.bot(deployments=ONE)
async def test_a_changed_deployment_is_synced(bot: Harness, tmp_path: Path) -> None:
    (tmp_path / "deployments.toml").write_text(TWO)
    await bot.restart()
    assert len(syncs(bot)) == 2
    assert "generate video" in bot.alice.available_commands(bot.channel)


async def test_server_commands_replace_the_global_ones_and_back(bot: Harness) -> None:
    bot.env.create_guild("Home", id=SERVER)
    await bot.restart(command_guild_ids=(SERVER,))
    (_, first), (scope, cleared), (home, there) = syncs(bot)
    assert (scope, cleared) == ("global", [])
    assert (home, there) == (str(SERVER), first)
    assert bot.alice.available_commands(bot.channel) == ()
    await bot.restart(command_guild_ids=())
    assert syncs(bot)[3:] == [("global", first), (str(SERVER), [])]
    await bot.restart(command_guild_ids=())
    assert len(syncs(bot)) == 5


async def test_a_server_that_refuses_does_not_stop_the_start(bot: Harness) -> None:
    bot.env.inject_error("PUT", f"*/guilds/{SERVER}/*", status=403, code=50001)
    await bot.restart(command_guild_ids=(SERVER,))
    assert bot.app.bot.is_ready()
    bot.env.create_guild("Home", id=SERVER)
    await bot.restart()
    assert syncs(bot)[-1][0] == str(SERVER)


@pytest.mark.bot(allow_direct_messages=True)
async def test_the_command_is_not_for_direct_messages_unless_allowed(bot: Harness) -> None:
    (request,) = requests_to(bot, "PUT", "/commands")
    (generate,) = [command for command in request.json if command["name"] == "generate"]
    contexts = discord.app_commands.AppCommandContext._from_value(generate["contexts"])
    assert contexts.guild
    assert contexts.dm_channel
    assert not contexts.private_channel
