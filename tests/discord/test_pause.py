"""`/pause` and `/resume` are for the bot's owner and outlive a restart."""

from __future__ import annotations

from bot.domain.runs import RunState
from tests.discord.actors import member, owner
from tests.discord.forged import call, strings
from tests.discord.rendered import pinged, refusal
from tests.harness import Harness


async def test_everybody_is_refused_until_the_owner_resumes(bot: Harness) -> None:
    olga = owner(bot)
    done = await olga.slash(bot.channel, "pause", reason="@everyone go away")
    assert done.ephemeral
    assert "Running requests continue" in done.response.content
    await bot.restart()
    bot.app.bot.owner_id = olga.id
    for person in (bot.alice, olga):
        refused = await person.slash(bot.channel, "generate", prompt="a fox")
        assert refusal(bot, refused) == "Generating is paused for the moment: \\@everyone go away"
    assert await bot.runs() == []
    assert pinged(bot) == []
    assert (await olga.slash(bot.channel, "resume")).response.content == (
        "I accept requests again, and start those that waited."
    )
    await bot.ask()
    assert (await bot.run()).state is RunState.SUCCEEDED
    refused = await olga.slash(bot.channel, "resume")
    assert refusal(bot, refused) == "The bot isn't paused."


async def test_the_servers_admin_is_not_the_bots_owner(bot: Harness) -> None:
    admin = member(bot, "adam", administrator=True)
    assert not {"pause", "resume"} & set(bot.bob.available_commands(bot.channel))
    reason = strings(reason="because")
    for person in (admin, bot.bob):
        for name, options in (("pause", reason), ("resume", [])):
            refused = await call(bot, person, name, options)
            assert refusal(bot, refused) == "Only the bot's owner and their team can do that."
    await bot.ask()
    assert len(bot.calls) == 1
