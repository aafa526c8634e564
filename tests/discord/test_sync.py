"""Commands are synced when they changed, where the settings say, and cleared elsewhere."""

from __future__ import annotations

import pytest

from tests.discord.deployments import ONE, TWO
from tests.discord.rendered import requests_to
from tests.harness import Harness

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
async def test_a_changed_deployment_is_synced(bot: Harness) -> None:
    await bot.restart(deployments=TWO)
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
