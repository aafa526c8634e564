"""Commands are synced when they changed, where the settings say, and cleared elsewhere."""

from __future__ import annotations

from pathlib import Path

import discord

from demo.standin.deployments import PICTURE_ID, VIDEO_ID
from tests.discord.seen import requests_to
from tests.stage import Stage, stage

ONE = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\n'
TWO = ONE + f'[deployments.video]\ndeployment_id = "{VIDEO_ID}"\n'
SERVER = 1456074443980809999


def syncs(s: Stage) -> list[tuple[str, list[str]]]:
    """(scope, names of the commands) of each sync so far."""
    return [
        (
            request.path.partition("/guilds/")[2].partition("/")[0] or "global",
            [command["name"] for command in request.json],
        )
        for request in requests_to(s, "PUT", "/commands")
    ]


async def test_a_second_start_syncs_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        assert [scope for scope, _ in syncs(s)] == ["global"]
        assert "generate" in syncs(s)[0][1]
        await s.restart()
        assert len(syncs(s)) == 1
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
        assert not asked.ephemeral


async def test_a_changed_deployment_is_synced(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ONE) as s:
        (tmp_path / "deployments.toml").write_text(TWO)
        await s.restart()
        assert len(syncs(s)) == 2
        assert "generate video" in s.alice.available_commands(s.channel)


async def test_server_commands_replace_the_global_ones_and_back(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.env.create_guild("Home", id=SERVER)
        await s.restart(command_guild_ids=(SERVER,))
        (_, first), (scope, cleared), (home, there) = syncs(s)
        assert (scope, cleared) == ("global", [])
        assert (home, there) == (str(SERVER), first)
        assert s.alice.available_commands(s.channel) == ()
        await s.restart(command_guild_ids=())
        assert syncs(s)[3:] == [("global", first), (str(SERVER), [])]
        await s.restart(command_guild_ids=())
        assert len(syncs(s)) == 5


async def test_a_server_that_refuses_does_not_stop_the_start(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.env.inject_error("PUT", f"*/guilds/{SERVER}/*", status=403, code=50001)
        await s.restart(command_guild_ids=(SERVER,))
        assert s.app.bot.is_ready()
        s.env.create_guild("Home", id=SERVER)
        await s.restart()
        assert syncs(s)[-1][0] == str(SERVER)


async def test_the_command_is_not_for_direct_messages_unless_allowed(tmp_path: Path) -> None:
    async with stage(tmp_path, allow_direct_messages=True) as s:
        (request,) = requests_to(s, "PUT", "/commands")
        (generate,) = [command for command in request.json if command["name"] == "generate"]
        contexts = discord.app_commands.AppCommandContext._from_value(generate["contexts"])
        assert contexts.guild
        assert contexts.dm_channel
        assert not contexts.private_channel
