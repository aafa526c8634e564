"""What the bot assumes about deferred answers, which Discord doesn't document."""

from __future__ import annotations

import discord

from tests.fakediscord.interactions import Interaction
from tests.unit.fakediscord.harness import Studio, refusal


async def received(studio: Studio) -> tuple[discord.Interaction, Interaction]:
    """Return an interaction that nobody has answered, as the bot and as the fake have it."""
    studio.bot.silent = True
    asked = await studio.ask()
    while not studio.bot.interactions:
        await studio.bot.http.get_bot_gateway()
    return studio.bot.interactions[-1], asked


async def test_there_is_no_answer_before_the_first_callback(studio: Studio) -> None:
    interaction, _ = await received(studio)
    await refusal(interaction.original_response(), 404, 10015)
    await refusal(interaction.edit_original_response(content="x"), 404, 10015)


async def test_a_deferred_answer_says_that_it_is_thinking_and_who_sees_it(studio: Studio) -> None:
    for private in (False, True):
        studio.bot.interactions.clear()
        interaction, _ = await received(studio)
        await interaction.response.defer(ephemeral=private, thinking=True)
        found = await interaction.original_response()
        assert (found.flags.loading, found.flags.ephemeral) == (True, private)


async def test_a_repeated_deferral_is_40060_and_changes_nothing(studio: Studio) -> None:
    interaction, asked = await received(studio)
    await interaction.response.defer(thinking=True)
    again = discord.InteractionResponse(interaction)
    await refusal(again.defer(ephemeral=True, thinking=True), 400, 40060)
    assert asked.original is not None
    assert not asked.original.ephemeral


async def test_a_follow_up_takes_the_place_of_thinking_and_is_as_public(studio: Studio) -> None:
    interaction, asked = await received(studio)
    await interaction.response.defer(thinking=True)
    await interaction.followup.send("a secret", ephemeral=True)
    assert studio.shown == ["a secret"]
    assert (asked.text, asked.followups) == ("a secret", [])


async def test_once_the_answer_was_edited_a_follow_up_may_be_private(studio: Studio) -> None:
    interaction, asked = await received(studio)
    await interaction.response.defer(thinking=True)
    edited = await interaction.edit_original_response(content="nothing to see")
    assert not edited.flags.loading
    await interaction.followup.send("a secret", ephemeral=True)
    assert studio.shown == ["nothing to see"]
    assert [(each.text, each.ephemeral) for each in asked.followups] == [("a secret", True)]
    await interaction.delete_original_response()
    assert studio.shown == []


async def test_an_edit_needs_neither_the_message_id_nor_the_process_that_answered(studio: Studio) -> None:
    interaction, asked = await received(studio)
    await interaction.response.defer(thinking=True)
    webhook = discord.Webhook.partial(interaction.application_id, interaction.token, client=studio.bot)
    sent = await webhook.edit_message("@original", content="by another process")  # type: ignore[arg-type]
    assert asked.original is not None
    assert (sent.id, asked.text) == (asked.original.id, "by another process")
