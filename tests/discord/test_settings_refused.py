"""`/settings` refuses strangers, forged and stale controls, and choices that are gone."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.domain.settings.fields import ACTIONS, FIELDS
from bot.domain.settings.rules_and_defaults import ServerRules
from tests.discord.forged import own_answer, press, select_as, send_form
from tests.discord.rendered import refusal
from tests.discord.settings_panel import Panel, rules_of
from tests.harness import Harness
from tests.questions import insert_rules

NOT_ALLOWED = "Only people with Manage Server can change the settings."
STALE = "This panel is from an older version of the bot. Please open `/settings` again."
CONTROLS = [f"set:{key.replace('.', ':')}" for key in (*FIELDS, *ACTIONS, "home.back", "home.tidy:home")]
DELETED = "This role was deleted, or it is @everyone."
NOT_OFFERED = (
    ("approval:mode", "sometimes", "“sometimes” can't be chosen here."),
    ("approval:channel", "1", "I can't find this channel."),
    ("approval:exempt", "²", DELETED),
    ("approval:deployments:9", "x", "This deployment isn't offered any more."),
    ("approval:gpus:0", "GTX", "This GPU isn't offered any more."),
    ("budgets:unlimited", "1", DELETED),
    ("gpus:gpu_roles:GTX", "1", "This GPU isn't offered any more."),
    ("gpus:deployment_roles:x", "1", "This deployment isn't offered any more."),
)


def said(result: Any) -> str:
    assert result.ephemeral
    return str(result.response.content)


async def test_every_control_and_form_refuses_a_stranger(bot: Harness) -> None:
    own = await own_answer(bot, bot.bob)
    for control in CONTROLS:
        assert said(await press(bot, bot.bob, own, control)) == NOT_ALLOWED
        bot.clock.move(seconds=6)
    for control in ("set:home:open", "set:approval:mode"):
        assert said(await select_as(bot, bot.bob, own, control, "off")) == NOT_ALLOWED
    form = await send_form(bot, bot.bob, own, "set:record:retention:00000000:", "1")
    assert said(form) == NOT_ALLOWED
    assert await rules_of(bot) == ServerRules()


async def test_a_moderator_who_lost_the_permission_can_not_go_on(bot: Harness, panel: Panel) -> None:
    await panel.open("record")
    form = await panel.press("Change how long it is kept")
    bot.env.backend.delete_role(bot.guild.id, panel.role.id)
    await bot.env.settle()
    assert said(await panel.press("Back")) == NOT_ALLOWED
    assert said(await panel.fill(form, "1")) == NOT_ALLOWED
    assert await rules_of(bot) == ServerRules()


async def test_a_server_that_lets_a_stranger_see_the_command_does_not_let_them_use_it(bot: Harness) -> None:
    assert "settings" not in bot.bob.available_commands(bot.channel)
    command = bot.env.backend.find_command("settings", bot.guild.id, type=1)
    assert int(command["default_member_permissions"]) == discord.Permissions(manage_guild=True).value
    bot.guild.set_command_permissions(int(command["id"]), {bot.bob: True})
    assert refusal(bot, await bot.bob.slash(bot.channel, "settings")) == NOT_ALLOWED


@pytest.mark.parametrize("custom_id", ["set:approval:none", "set:a\nb:c"])
async def test_a_control_of_another_version_is_stale(bot: Harness, panel: Panel, custom_id: str) -> None:
    await panel.open()
    assert said(await press(bot, panel.actor, panel.message, custom_id)) == STALE
    assert said(await send_form(bot, panel.actor, panel.message, custom_id, "1")) == STALE
    assert await rules_of(bot) == ServerRules()


async def test_a_choice_that_is_not_offered_changes_nothing(bot: Harness, panel: Panel) -> None:
    await panel.open()
    everyone = ("budgets:unlimited", str(bot.guild.id), DELETED)  # the id of the role @everyone
    for control, value, sentence in (*NOT_OFFERED, everyone):
        await select_as(bot, panel.actor, panel.message, f"set:{control}", value)
        assert sentence in panel.text, control
        await panel.open()
    assert await rules_of(bot) == ServerRules()


async def test_forms_about_what_is_not_there_are_not_opened(bot: Harness, panel: Panel) -> None:
    await panel.open("budgets")
    for control, value in (("budgets:role", "12"), ("budgets:role", "x"), ("budgets:weight:0", "GTX")):
        result = await select_as(bot, panel.actor, panel.message, f"set:{control}", value)
        assert result.modal is None
        assert said(result)
    wrong_boxes = await send_form(bot, panel.actor, panel.message, "set:budgets:person:00000000:", "1")
    assert said(wrong_boxes) == STALE


async def test_deleted_roles_and_channels_are_shown_and_can_be_removed(bot: Harness, panel: Panel) -> None:
    review, role = bot.guild.create_text_channel("review"), bot.guild.create_role("Staff")
    kept = bot.guild.create_role("Kept")
    await panel.open("approval")
    await panel.choose("approval:channel", review)
    await panel.choose("approval:reviewer", role)
    await panel.choose("approval:mode", "without_roles")
    await panel.choose("approval:exempt", role, kept)
    await panel.turn_to("gpus")
    await panel.choose("gpus:gpu:0", "H100")
    await panel.choose("gpus:gpu_roles:H100", role)

    bot.env.backend.delete_role(bot.guild.id, role.id)
    bot.env.backend.delete_channel(review.id)
    await bot.env.settle()
    await panel.press("Back")
    assert "The review channel is missing or not chosen" in panel.text
    await panel.choose("home:open", "approval")
    assert f"a deleted role (`{role.id}`)" in panel.text
    assert f"A deleted channel (`{review.id}`)" in panel.text
    assert panel.defaults("approval:exempt") == [str(kept.id)]
    assert panel.defaults("approval:channel") == []
    await panel.turn_to("gpus")
    assert f"**H100:** a deleted role (`{role.id}`)\n" in panel.text

    await panel.turn_to("approval")
    await panel.press("Clean up")
    rules = await rules_of(bot)
    assert rules.reviewer_role_id is None
    assert rules.approval.exempt_roles == {kept.id}
    assert rules.gpu_roles == {"H100": frozenset()}  # a deleted role opens nothing
    assert rules.approval.review_channel_id == review.id  # nor does a deleted channel
    await panel.choose("approval:mode", "off")
    await panel.press("Clean up")
    assert (await rules_of(bot)).approval.review_channel_id is None
    assert "home:tidy:approval" not in panel.controls()
    await panel.turn_to("gpus")
    await panel.choose("gpus:gpu:0", "H100")
    await panel.press("Open it to everybody")
    assert (await rules_of(bot)).gpu_roles == {}


async def test_a_review_channel_without_permissions_is_told(bot: Harness, panel: Panel) -> None:
    role = bot.guild.create_role("Reviewers")
    hidden, seen = (discord.PermissionOverwrite(view_channel=view) for view in (False, True))
    mute = discord.PermissionOverwrite(view_channel=True, send_messages=False)
    review = bot.guild.create_text_channel(
        "review",
        overwrites={bot.guild.default_role: hidden, panel.role: seen, bot.app.bot.user: mute},
    )
    await panel.open("approval")
    await panel.choose("approval:channel", review)
    await panel.choose("approval:reviewer", role)
    await panel.choose("approval:mode", "everybody")
    assert "The reviewer role can't see the review channel." in panel.text
    assert f"In {review.mention} I need:" in panel.text
    assert "Send Messages" in panel.text


async def test_damaged_settings_are_told_and_made_good_by_a_change(bot: Harness, panel: Panel) -> None:
    rules = {"spoiler": "sometimes", "retention_days": 30}
    await insert_rules(bot.database, bot.guild.id, rules)
    await panel.open("results")
    assert "Some stored settings can't be read and are shown as their defaults: spoiler." in panel.text
    await panel.choose("results:spoiler", "always")
    assert "can't be read" not in panel.text
    assert (await rules_of(bot)).retention_days == 30


async def test_without_the_database_the_panel_says_so(bot: Harness, panel: Panel) -> None:
    await panel.open("results")
    async with bot.database_away():
        sentence = said(await panel.choose("results:spoiler", "always"))
    assert sentence.startswith("I can't reach my database")
    await panel.choose("results:spoiler", "always")
    assert "Never → Always" in panel.text
