"""`/settings` and what must not work: strangers, forged and stale controls, things that are gone."""

from __future__ import annotations

from typing import Any

import discord
import pytest
from sqlalchemy import insert

from bot.database.tables import server_rules
from bot.domain.settings.rules_and_defaults import ApprovalMode, ServerRules
from tests.discord.forged import press, select_as, send_form
from tests.discord.rendered import refusal
from tests.discord.settings_panel import Moderator, rules_of
from tests.harness import Harness

NOT_ALLOWED = "Only people with Manage Server can change the settings."
STALE = "This panel is from an older version of the bot. Please open `/settings` again."
EVERY_BUTTON = (
    "home:back",
    "home:tidy:home",
    "approval:hours",
    "approval:again:00000000:hours:",
    "words:add",
    "words:list",
    "words:remove",
    "words:show",
    "budgets:person",
    "budgets:server",
    "gpus:gpu_open:H100",
    "people:ages",
    "record:retention",
)
EVERY_SELECT = (
    ("home:open", "approval"),
    ("approval:mode", "off"),
    ("approval:channel", "1"),
    ("approval:reviewer", "1"),
    ("approval:exempt", "1"),
    ("approval:deployments:0", "x"),
    ("approval:gpus:0", "H100"),
    ("words:automod", "never"),
    ("budgets:role", "1"),
    ("budgets:unlimited", "1"),
    ("budgets:weight:0", "H100"),
    ("gpus:gpu:0", "H100"),
    ("gpus:gpu_roles:H100", "1"),
    ("gpus:deployment:0", "x"),
    ("gpus:deployment_roles:x", "1"),
    ("results:spoiler", "always"),
    ("results:gallery", "1"),
)


@pytest.fixture
def mona(bot: Harness) -> Moderator:
    """Return a moderator who uses the panel."""
    return Moderator(bot, "mona")


def said(result: Any) -> str:
    assert result.ephemeral
    return str(result.response.content)


async def test_every_control_and_form_refuses_a_stranger(bot: Harness, mona: Moderator) -> None:
    await mona.open()
    for button in EVERY_BUTTON:
        assert said(await press(bot, bot.bob, mona.panel, f"set:{button}")) == NOT_ALLOWED
    for control, value in EVERY_SELECT:
        assert said(await select_as(bot, bot.bob, mona.panel, f"set:{control}", value)) == NOT_ALLOWED
    form = await send_form(bot, bot.bob, mona.panel, "set:record:retention:00000000:", "1")
    assert said(form) == NOT_ALLOWED
    assert await rules_of(bot) == ServerRules()


async def test_a_moderator_who_lost_the_permission_can_not_go_on(bot: Harness, mona: Moderator) -> None:
    await mona.open("record")
    form = await mona.press("Change how long it is kept")
    bot.env.backend.delete_role(bot.guild.id, mona.role.id)
    await bot.env.settle()
    assert said(await mona.press("Back")) == NOT_ALLOWED
    assert said(await mona.fill(form, "1")) == NOT_ALLOWED
    assert await rules_of(bot) == ServerRules()


async def test_a_server_that_lets_a_stranger_see_the_command_does_not_let_them_use_it(bot: Harness) -> None:
    command = bot.env.backend.find_command("settings", bot.guild.id, type=1)
    bot.guild.set_command_permissions(int(command["id"]), {bot.bob: True})
    assert refusal(bot, await bot.bob.slash(bot.channel, "settings")) == NOT_ALLOWED


async def test_discord_is_told_who_may_see_the_command(bot: Harness) -> None:
    command = bot.app.bot.tree.get_command("settings")
    payload = command.to_dict(bot.app.bot.tree)
    assert payload["default_member_permissions"] == discord.Permissions(manage_guild=True).value
    assert payload["contexts"] == [0]
    assert "settings" not in bot.bob.available_commands(bot.channel)


OF_ANOTHER_VERSION = (
    "set:",
    "set:x",
    "set:approval",
    "set:nowhere:mode",
    "set:approval:none",
    "set:words:automod_x:on",
    "set:home:open",
    "set:approval:again:1",
    "set:budgets:again::unlimited:",
    "set:home:tidy2",
    "set:a\nb:c",
)


async def test_a_control_of_another_version_is_stale(bot: Harness, mona: Moderator) -> None:
    await mona.open()
    for custom_id in OF_ANOTHER_VERSION:
        assert said(await press(bot, mona.actor, mona.panel, custom_id)) == STALE, custom_id
        assert said(await send_form(bot, mona.actor, mona.panel, custom_id, "1")) == STALE, custom_id
    assert await rules_of(bot) == ServerRules()


NOT_OFFERED = (
    ("approval:mode", "sometimes", "“sometimes” can't be chosen here."),
    ("approval:channel", "1", "I can't find this channel."),
    ("approval:reviewer", "1", "This role was deleted, or it is @everyone."),
    ("approval:exempt", "²", "This role was deleted, or it is @everyone."),
    ("approval:deployments:0", "x", "This deployment isn't offered any more."),
    ("approval:deployments:9", "x", "This deployment isn't offered any more."),
    ("approval:gpus:0", "GTX", "This GPU isn't offered any more."),
    ("words:automod", "perhaps", "“perhaps” can't be chosen here."),
    ("budgets:unlimited", "1", "This role was deleted, or it is @everyone."),
    ("gpus:gpu_roles:GTX", "1", "This GPU isn't offered any more."),
    ("gpus:gpu_roles:H100", "1", "This role was deleted, or it is @everyone."),
    ("gpus:deployment_roles:x", "1", "This deployment isn't offered any more."),
    ("results:spoiler", "sometimes", "“sometimes” can't be chosen here."),
)


async def test_a_choice_that_is_not_offered_changes_nothing(bot: Harness, mona: Moderator) -> None:
    await mona.open()
    for control, value, sentence in NOT_OFFERED:
        await select_as(bot, mona.actor, mona.panel, f"set:{control}", value)
        assert sentence in mona.text, control
        await mona.open()
    assert await rules_of(bot) == ServerRules()


async def test_everyone_is_no_role_to_be_chosen(bot: Harness, mona: Moderator) -> None:
    await mona.open("budgets")
    await mona.choose("budgets:unlimited", bot.guild.default_role)
    assert "This role was deleted, or it is @everyone." in mona.text
    assert said(await mona.choose("budgets:role", bot.guild.default_role)).startswith("This role was deleted")


async def test_forms_about_what_is_not_there_are_not_opened(bot: Harness, mona: Moderator) -> None:
    await mona.open("budgets")
    for control, value in (("budgets:role", "12"), ("budgets:role", "x"), ("budgets:weight:0", "GTX")):
        result = await select_as(bot, mona.actor, mona.panel, f"set:{control}", value)
        assert result.modal is None
        assert said(result)
    wrong_boxes = await send_form(bot, mona.actor, mona.panel, "set:budgets:person:00000000:", "1")
    assert said(wrong_boxes) == STALE


async def test_what_was_deleted_is_shown_as_gone_and_can_be_removed(bot: Harness, mona: Moderator) -> None:
    review, role = bot.guild.create_text_channel("review"), bot.guild.create_role("Staff")
    kept = bot.guild.create_role("Kept")
    await mona.open("approval")
    await mona.choose("approval:channel", review)
    await mona.choose("approval:reviewer", role)
    await mona.choose("approval:mode", "without_roles")
    await mona.choose("approval:exempt", role, kept)
    await mona.press("Back")
    await mona.choose("home:open", "gpus")
    await mona.choose("gpus:gpu:0", "H100")
    await mona.choose("gpus:gpu_roles:H100", role)
    await mona.press("Back")
    await mona.choose("home:open", "budgets")
    await mona.choose("budgets:unlimited", role, kept)

    bot.env.backend.delete_role(bot.guild.id, role.id)
    bot.env.backend.delete_channel(review.id)
    await bot.env.settle()
    await mona.press("Back")
    assert "The review channel is missing or not chosen" in mona.text
    await mona.choose("home:open", "approval")
    assert f"a deleted role (`{role.id}`)" in mona.text
    assert f"a deleted channel (`{review.id}`)" in mona.text
    assert mona.defaults("approval:exempt") == [str(kept.id)]
    assert mona.defaults("approval:channel") == []
    assert "This role was deleted, so only people with Manage Server decide." in mona.text
    assert "A deleted role has no members, so it has no effect." in mona.text
    await mona.press("Back")
    await mona.choose("home:open", "gpus")
    note = "-# ⚠️ None of its roles exists any more, so nobody may use it."
    assert f"**H100:** a deleted role (`{role.id}`)\n{note}" in mona.text
    await mona.press("Back")
    await mona.choose("home:open", "budgets")
    assert "no limit\n-# ⚠️ This role was deleted, so its limits have no effect." in mona.text

    await mona.press("Back")
    await mona.choose("home:open", "approval")
    await mona.press("Remove missing")
    rules = await rules_of(bot)
    assert rules.reviewer_role_id is None
    assert rules.approval.exempt_roles == {kept.id}
    assert set(rules.budgets.roles) == {kept.id}
    assert rules.gpu_roles == {"H100": frozenset()}  # a deleted role opens nothing
    assert rules.approval.review_channel_id == review.id  # nor does a deleted channel
    assert rules.approval.mode is ApprovalMode.WITHOUT_ROLES

    await mona.choose("approval:mode", "off")
    await mona.press("Remove missing")
    assert (await rules_of(bot)).approval.review_channel_id is None
    assert "home:tidy:approval" not in mona.controls()
    await mona.press("Back")
    await mona.choose("home:open", "gpus")
    assert "**H100:** nobody" in mona.text
    await mona.choose("gpus:gpu:0", "T4")
    await mona.choose("gpus:gpu_roles:T4", kept)
    assert (await rules_of(bot)).gpu_roles == {"H100": frozenset(), "T4": {kept.id}}
    await mona.choose("gpus:gpu_roles:T4")
    await mona.choose("gpus:gpu:0", "H100")
    await mona.press("Open it to everybody")
    assert (await rules_of(bot)).gpu_roles == {}


async def test_a_review_channel_without_permissions_is_told(bot: Harness, mona: Moderator) -> None:
    role = bot.guild.create_role("Reviewers")
    hidden, seen = (discord.PermissionOverwrite(view_channel=view) for view in (False, True))
    mute = discord.PermissionOverwrite(view_channel=True, send_messages=False)
    review = bot.guild.create_text_channel(
        "review",
        overwrites={bot.guild.default_role: hidden, mona.role: seen, bot.app.bot.user: mute},
    )
    await mona.open("approval")
    await mona.choose("approval:channel", review)
    await mona.choose("approval:reviewer", role)
    await mona.choose("approval:mode", "everybody")
    assert "The reviewer role can't see the review channel." in mona.text
    assert f"In {review.mention} I need:" in mona.text
    assert "Send Messages" in mona.text


async def test_damaged_settings_are_told_and_made_good_by_a_change(bot: Harness, mona: Moderator) -> None:
    await put(bot, {"spoiler": "sometimes", "retention_days": 30})
    await mona.open("results")
    assert "Some stored settings can't be read and are shown as their defaults: spoiler." in mona.text
    await mona.choose("results:spoiler", "always")
    assert "can't be read" not in mona.text
    assert (await rules_of(bot)).retention_days == 30


async def put(bot: Harness, rules: object) -> None:
    async with bot.app.store.database.write() as connection:
        values = {"guild_id": bot.guild.id, "rules": rules, "updated_at": bot.clock(), "updated_by": 1}
        await connection.execute(insert(server_rules).values(values))


async def test_without_the_database_the_panel_says_so(bot: Harness, mona: Moderator) -> None:
    await mona.open("results")
    await bot.app.store.close()
    with bot.database_away():
        sentence = said(await mona.choose("results:spoiler", "always"))
    assert sentence.startswith("I can't reach my database")
    await mona.choose("results:spoiler", "always")
    assert "Never hidden → Always hidden" in mona.text
