"""Commands are synced only if they changed, to the servers in the settings."""

from __future__ import annotations

from tests.discord.rendered import requests_to, text_of
from tests.harness import Harness

SERVER = 1456074443980809999


def syncs(bot: Harness) -> list[tuple[str, list[str]]]:
    """Return the scope of each sync so far and the names of its commands."""
    found = []
    for request in requests_to(bot, "PUT", "/commands"):
        scope = request.path.partition("/guilds/")[2].partition("/")[0] or "global"
        found.append((scope, [command["name"] for command in request.json]))
    return found


async def test_a_second_start_syncs_nothing(bot: Harness) -> None:
    assert [scope for scope, _ in syncs(bot)] == ["global"]
    assert "generate" in syncs(bot)[0][1]
    await bot.restart()
    assert len(syncs(bot)) == 1
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    assert not asked.ephemeral


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


async def test_an_outage_at_the_start_is_made_good(bot: Harness) -> None:
    bot.env.create_guild("Home", id=SERVER)
    bot.env.inject_error("PUT", f"*/guilds/{SERVER}/*", status=403, times=None)  # Cloudflare
    bot.env.inject_error("PUT", "*/commands", status=503, times=None)
    await bot.restart(command_guild_ids=(SERVER,))
    assert bot.app.bot.is_ready()
    await bot.later(minutes=11)
    assert bot.alice.available_commands(bot.channel) != ()
    bot.env.backend.faults.clear()
    await bot.later(minutes=11)
    assert bot.alice.available_commands(bot.channel) == ()
    done = syncs(bot)
    assert [scope for scope, _ in done[-2:]] == ["global", str(SERVER)]
    await bot.later(minutes=11)
    assert syncs(bot) == done


async def test_on_joining_a_server_nothing_is_posted_anywhere(bot: Harness) -> None:
    before = len(requests_to(bot, "POST", "/channels/")) + len(requests_to(bot, "POST", "/users/"))
    new = bot.env.create_guild("Somewhere else")
    channel = new.create_text_channel("general")
    owner = new.add_member(bot.env.create_user("olga"))
    await bot.env.settle()
    await bot.later(hours=1)
    assert channel.history(viewer=owner) == []
    assert owner.user.dm_channel.history() == []
    assert len(requests_to(bot, "POST", "/channels/")) + len(requests_to(bot, "POST", "/users/")) == before
    shown = await owner.slash(channel, "help")
    assert shown.ephemeral
    assert "</generate:" in text_of(bot, shown.response)
