from __future__ import annotations

import asyncio

import discord
import pytest

from tests.fakediscord.interactions import Interaction
from tests.unit.fakediscord.bot import picture
from tests.unit.fakediscord.harness import Studio


async def _paint(studio: Studio) -> Interaction:
    return await studio.fake.slash(studio.alice, studio.general, "paint", {"prompt": "a cat"})


async def _unanswered(studio: Studio) -> discord.Interaction:
    """Return an interaction that the bot has received and nobody has answered."""
    studio.bot.silent = True
    await _paint(studio)
    seen = studio.bot.interactions
    # The bot runs in this very loop; a request of its own is something that the world notices.
    while not seen:
        await studio.bot.http.get_bot_gateway()
    return seen[-1]


async def test_a_deferred_answer_thinks_until_it_is_edited(studio: Studio) -> None:
    studio.bot.painting = asyncio.Event()
    run = await _paint(studio)
    await run.wait_answer()
    assert run.original is not None
    assert run.original.loading
    studio.bot.painting.set()
    await studio.fake.wait_until(lambda: run.text)
    assert (run.text, run.original.loading, run.original.edits) == ("painting a cat", False, 1)


async def test_follow_ups_carry_files_and_can_be_edited_and_deleted(studio: Studio) -> None:
    run = await _paint(studio)
    await run.wait_answer()
    interaction = studio.bot.interactions[0]
    sent = await interaction.followup.send("more", file=picture(), wait=True)
    assert [m.content for m in run.followups] == ["more"]
    await sent.edit(content="even more")
    assert run.followups[0].content == "even more"
    assert (await interaction.original_response()).content == "painting a cat"
    await sent.delete()
    await interaction.delete_original_response()
    assert studio.fake.messages(studio.general) == []
    with pytest.raises(discord.NotFound) as gone:
        await interaction.edit_original_response(content="too late")
    assert gone.value.code == 10008


async def test_answering_twice_is_40060(studio: Studio) -> None:
    interaction = await _unanswered(studio)
    await interaction.response.send_message("first")
    from_another_process = discord.InteractionResponse(interaction)  # does not know of the first answer
    with pytest.raises(discord.HTTPException) as twice:
        await from_another_process.send_message("second")
    assert twice.value.code == 40060


async def test_answering_late_is_10062(studio: Studio) -> None:
    interaction = await _unanswered(studio)
    studio.fake.interactions.answer_within = 3.0
    studio.fake.world.clock.advance(3.1)
    with pytest.raises(discord.NotFound) as late:
        await interaction.response.send_message("late")
    assert late.value.code == 10062
    assert studio.fake.messages(studio.general) == []


async def test_the_token_runs_out_after_fifteen_minutes(studio: Studio) -> None:
    run = await _paint(studio)
    await run.wait_answer()
    studio.fake.world.clock.advance(15 * 60 + 1)
    with pytest.raises(discord.HTTPException) as expired:
        await studio.bot.interactions[0].edit_original_response(content="late")
    assert (expired.value.status, expired.value.code) == (401, 50027)
    assert run.original is not None
    partial = studio.channel.get_partial_message(run.original.id)
    await partial.edit(content="by the bot's own token")
    assert run.original.content == "by the bot's own token"


async def test_an_app_that_only_the_user_installed_has_five_follow_ups(studio: Studio) -> None:
    await studio.fake.slash(studio.alice, studio.general, "paint", {"prompt": "x"}, user_install=True)
    await studio.fake.wait_until(lambda: studio.fake.messages(studio.general))
    interaction = studio.bot.interactions[0]
    assert interaction.is_user_integration()
    assert not interaction.app_permissions.send_messages
    studio.fake.limits.enabled = False
    for number in range(5):
        await interaction.followup.send(str(number))
    with pytest.raises(discord.HTTPException) as refused:
        await interaction.followup.send("one too many")
    assert refused.value.code == 40094


async def test_a_dropped_gateway_resumes_and_misses_nothing(studio: Studio) -> None:
    fake = studio.fake
    fake.gateway.accepting = False
    fake.gateway.drop()
    await fake.wait_until(lambda: not fake.gateway.live)
    run = await _paint(studio)
    assert run.delivered_to == 0
    fake.gateway.accepting = True
    await run.wait_answer()
    assert fake.gateway.counts["resume"] == 1
    assert fake.gateway.counts["identify"] == 1


@pytest.mark.parametrize("how", ["drop", "opcode 9"])
async def test_a_session_that_is_gone_is_identified_anew(studio: Studio, how: str) -> None:
    gateway = studio.fake.gateway
    if how == "drop":
        gateway.drop(resumable=False)
    else:
        gateway.invalidate(resumable=False)
    await studio.fake.wait_until(lambda: gateway.counts["identify"] == 2)
    run = await _paint(studio)
    await run.wait_answer()
    assert gateway.counts["resume"] == 0


async def test_opcode_7_makes_the_bot_resume(studio: Studio) -> None:
    studio.fake.gateway.ask_to_reconnect()
    await studio.fake.wait_until(lambda: studio.fake.gateway.counts["resume"] == 1)
    run = await _paint(studio)
    await run.wait_answer()


async def test_changes_of_the_world_reach_the_bot(studio: Studio) -> None:
    thread = studio.fake.add_thread(studio.general, "ideas")
    other = studio.fake.add_guild("Elsewhere")
    lobby = studio.fake.add_text(other, "lobby")
    studio.fake.delete_channel(studio.general)
    run = await studio.fake.slash(studio.fake.add_user("bob", other), lobby, "paint", {"prompt": "a cat"})
    await run.wait_answer()
    guild = studio.bot.get_guild(studio.guild.id)
    assert guild is not None
    assert not guild.channels
    assert guild.get_thread(thread.id) is None
    studio.fake.remove_bot(other)
    again = studio.fake.add_text(studio.guild, "again")
    await (await studio.fake.slash(studio.alice, again, "paint", {"prompt": "x"})).wait_answer()
    assert [g.id for g in studio.bot.guilds] == [studio.guild.id]
