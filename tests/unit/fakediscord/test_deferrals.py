"""What the bot assumes about answers and nonces, and Discord doesn't document."""

from __future__ import annotations

from typing import Any

import discord

from tests.unit.fakediscord.harness import Studio, refusal


async def test_there_is_no_answer_before_the_first_callback(studio: Studio) -> None:
    interaction, _ = await studio.received()
    await refusal(interaction.original_response(), 404, 10015)
    await refusal(interaction.edit_original_response(content="x"), 404, 10015)


async def test_a_deferred_answer_says_that_it_is_thinking_and_who_sees_it(studio: Studio) -> None:
    for private in (False, True):
        interaction, _ = await studio.received()
        await interaction.response.defer(ephemeral=private, thinking=True)
        found = await interaction.original_response()
        assert (found.flags.loading, found.flags.ephemeral) == (True, private)


async def test_a_repeated_deferral_is_40060_and_changes_nothing(studio: Studio) -> None:
    interaction, asked = await studio.received()
    await interaction.response.defer(thinking=True)
    again = discord.InteractionResponse(interaction)
    await refusal(again.defer(ephemeral=True, thinking=True), 400, 40060)
    assert asked.original is not None
    assert not asked.original.ephemeral


async def test_a_follow_up_takes_the_place_of_thinking_and_is_as_public(studio: Studio) -> None:
    interaction, asked = await studio.received()
    await interaction.response.defer(thinking=True)
    await interaction.followup.send("a secret", ephemeral=True)
    assert studio.shown == ["a secret"]
    assert (asked.text, asked.followups) == ("a secret", [])


async def test_once_the_answer_was_edited_a_follow_up_may_be_private(studio: Studio) -> None:
    interaction, asked = await studio.received()
    await interaction.response.defer(thinking=True)
    edited = await interaction.edit_original_response(content="nothing to see")
    assert not edited.flags.loading
    await interaction.followup.send("a secret", ephemeral=True)
    assert studio.shown == ["nothing to see"]
    assert [(each.text, each.ephemeral) for each in asked.followups] == [("a secret", True)]
    await interaction.delete_original_response()
    assert studio.shown == []


async def test_an_edit_needs_neither_the_message_id_nor_the_process_that_answered(studio: Studio) -> None:
    interaction, asked = await studio.received()
    await interaction.response.defer(thinking=True)
    webhook = discord.Webhook.partial(interaction.application_id, interaction.token, client=studio.bot)
    original: Any = "@original"
    sent = await webhook.edit_message(original, content="by another process")
    assert asked.original is not None
    assert (sent.id, asked.text) == (asked.original.id, "by another process")


async def test_an_answer_comes_within_three_seconds_or_is_10062(studio: Studio) -> None:
    interaction, _ = await studio.received()
    studio.fake.interactions.answer_within = 3.0
    studio.fake.world.clock.advance(3.1)
    await refusal(interaction.response.send_message("late"), 404, 10062)


async def test_the_token_runs_out_after_fifteen_minutes_but_not_the_bots_own(studio: Studio) -> None:
    interaction, asked = await studio.received()
    await interaction.response.send_message("soon")
    studio.fake.world.clock.advance(15 * 60 + 1)
    await refusal(interaction.edit_original_response(content="late"), 401, 50027)
    assert asked.original is not None
    await studio.channel.get_partial_message(asked.original.id).edit(content="by the bot's own token")
    assert studio.shown == ["by the bot's own token"]


async def test_an_app_that_only_the_user_installed_has_five_follow_ups(studio: Studio) -> None:
    interaction, _ = await studio.received(user_install=True)
    await interaction.response.defer(thinking=True)
    await interaction.edit_original_response(content="x")
    studio.fake.limits.enabled = False
    for number in range(5):
        await interaction.followup.send(str(number))
    await refusal(interaction.followup.send("one too many"), 400, 40094)


async def test_a_repeated_nonce_returns_the_first_message_for_five_minutes(studio: Studio) -> None:
    first = await studio.channel.send("one", nonce="same")
    second = await studio.channel.send("two", nonce="same")
    assert (second.id, second.content) == (first.id, "one")
    studio.fake.world.clock.advance(301)
    assert (await studio.channel.send("three", nonce="same")).id != first.id
