"""`/settings` refuses strangers, forged and stale controls, and choices that are gone."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.domain.settings.fields import SECTIONS
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.ui.custom_ids import SettingId
from tests.discord.forged import own_answer, press, select_as, send_form
from tests.discord.rendered import refusal
from tests.discord.settings_panel import Panel, boxes, rules_of, shown_in
from tests.harness import Harness
from tests.questions import insert_rules

NOT_ALLOWED = "Only people with Manage Server can change the settings."
STALE = "This panel is from an older version of the bot. Please open `/settings` again."
DELETED = "This role was deleted, or it is @everyone."
GPU_GONE, DEPLOYMENT_GONE = (f"This {name} isn't offered any more." for name in ("GPU", "deployment"))
CONTROLS = [
    SettingId(section, action).encode()
    for section in SECTIONS
    for action in ("open", "key", "form", "again", "show")
]
# The form, the box without its digest, what it never offered, and the refusal.
NOT_OFFERED = (
    ("approval:form::0:", "approval.mode:", "sometimes", "“sometimes” can't be chosen here."),
    ("approval:form::0:", "approval.review_channel_id:", "1", "I can't find this channel."),
    ("approval:form::0:", "approval.exempt_roles:0", "²", DELETED),
    ("approval:form::0:", "reviewer_role_id:", "1", DELETED),
    ("selected:form::0:", "approval.deployments:0", "x", DEPLOYMENT_GONE),
    ("selected:form::0:", "approval.gpus:0", "GTX", GPU_GONE),
    ("gpus:form::0:H100", "gpu_roles:0", "1", DELETED),
)
# The digest of an empty box, and of a box that shows "off".
EMPTY, OFF = "1271cf25", "83504cd6"


def said(result: Any) -> str:
    assert result.ephemeral
    return str(result.response.content)


async def test_every_control_and_form_refuses_a_stranger(bot: Harness) -> None:
    own = await own_answer(bot, bot.bob)
    for control in [*CONTROLS, SettingId("home", "open").encode(), SettingId("home", "tidy").encode()]:
        assert said(await press(bot, bot.bob, own, control)) == NOT_ALLOWED
        bot.clock.move(seconds=6)
    assert said(await select_as(bot, bot.bob, own, SettingId("gpus", "key").encode(), "H100")) == NOT_ALLOWED
    fields = {f"retention_days::{EMPTY}": "1"}
    assert (
        said(await send_form(bot, bot.bob, own, SettingId("record", "form").encode(), **fields))
        == NOT_ALLOWED
    )
    assert await rules_of(bot) == ServerRules()


async def test_a_moderator_who_lost_the_permission_can_not_go_on(bot: Harness, panel: Panel) -> None:
    await panel.open()
    form = await panel.change("record")
    bot.env.backend.delete_role(bot.guild.id, panel.role.id)
    await bot.env.settle()
    assert said(await panel.change("results")) == NOT_ALLOWED
    assert said(await panel.fill(form, retention_days="1")) == NOT_ALLOWED
    assert await rules_of(bot) == ServerRules()


async def test_a_server_that_lets_a_stranger_see_the_command_does_not_let_them_use_it(bot: Harness) -> None:
    assert "settings" not in bot.bob.available_commands(bot.channel)
    command = bot.env.backend.find_command("settings", bot.guild.id, type=1)
    assert int(command["default_member_permissions"]) == discord.Permissions(manage_guild=True).value
    bot.guild.set_command_permissions(int(command["id"]), {bot.bob: True})
    assert refusal(bot, await bot.bob.slash(bot.channel, "settings")) == NOT_ALLOWED


@pytest.mark.parametrize("custom_id", ["set:approval:none::0:", "set:approval:form::9:", "set:x:open::0:"])
async def test_a_control_of_another_version_is_stale(bot: Harness, panel: Panel, custom_id: str) -> None:
    await panel.open()
    assert said(await press(bot, panel.actor, panel.message, custom_id)) == STALE
    form = await send_form(bot, panel.actor, panel.message, custom_id, **{"spoiler::0": "1"})
    assert said(form) == STALE
    assert await rules_of(bot) == ServerRules()


async def test_a_choice_that_is_not_offered_changes_nothing(bot: Harness, panel: Panel) -> None:
    await panel.open()
    everyone = ("roles:form::0:" + str(bot.guild.id), "budgets.roles.at_once:", "1", DELETED)
    for form, box, value, sentence in NOT_OFFERED:
        fields = {f"{box}:{OFF if 'mode' in box else EMPTY}": value}
        await send_form(bot, panel.actor, panel.message, f"set:{form}", **fields)
        assert sentence in panel.text, form
        again = await panel.press("Edit again")  # without what Discord would refuse
        assert again.modal or "selected:form" in form  # nothing waits, so this form would be empty
        await panel.open()
    form, box, value, sentence = everyone
    told = await send_form(bot, panel.actor, panel.message, f"set:{form}", **{f"{box}:{EMPTY}": value})
    assert said(told).startswith(sentence)
    assert await rules_of(bot) == ServerRules()


async def test_forms_about_what_is_not_there_are_not_opened(bot: Harness, panel: Panel) -> None:
    await panel.open()
    for section, value, sentence in (
        ("roles", "12", DELETED),
        ("roles", "x", DELETED),
        ("gpus", "GTX", GPU_GONE),
        ("deployments", "x", DEPLOYMENT_GONE),
    ):
        result = await select_as(bot, panel.actor, panel.message, SettingId(section, "key").encode(), value)
        assert result.modal is None
        assert said(result).startswith(sentence)


async def test_deleted_roles_and_channels_are_shown_and_can_be_removed(bot: Harness, panel: Panel) -> None:
    review, role = bot.guild.create_text_channel("review"), bot.guild.create_role("Staff")
    kept = bot.guild.create_role("Kept")
    await panel.set(
        "approval",
        review_channel_id=[review],
        reviewer_role_id=[role],
        mode=["without_roles"],
    )
    await panel.fill(await panel.change("approval"), exempt_roles=[role, kept])
    await panel.change("gpus")
    await panel.fill(await panel.choose("gpus", "H100"), gpu_roles=[role])

    bot.env.backend.delete_role(bot.guild.id, role.id)
    bot.env.backend.delete_channel(review.id)
    await bot.env.settle()
    await panel.press("Back")
    assert "The review channel is missing" in panel.text
    assert f"a deleted role (`{role.id}`)" in panel.text
    assert f"a deleted channel (`{review.id}`)" in panel.text
    form = await panel.change("approval")
    shown = shown_in(form)
    assert (shown["exempt_roles"], shown["review_channel_id"]) == ([str(kept.id)], [])
    # What a form can't show is kept.
    await panel.fill(form, hours="12")
    approval = (await rules_of(bot)).approval
    assert (approval.hours, approval.review_channel_id) == (12, review.id)
    assert approval.exempt_roles == {role.id, kept.id}

    await panel.press("Clean up")
    rules = await rules_of(bot)
    assert rules.reviewer_role_id is None
    assert rules.approval.exempt_roles == {kept.id}
    assert rules.gpu_roles == {"H100": frozenset()}  # a deleted role opens nothing
    assert rules.approval.review_channel_id == review.id  # nor does a deleted channel
    await panel.set("approval", mode=["off"])
    await panel.press("Clean up")
    assert (await rules_of(bot)).approval.review_channel_id is None
    assert "home:tidy" not in panel.controls()


async def test_a_review_channel_without_permissions_is_told(bot: Harness, panel: Panel) -> None:
    role = bot.guild.create_role("Reviewers")
    hidden, seen = (discord.PermissionOverwrite(view_channel=view) for view in (False, True))
    mute = discord.PermissionOverwrite(view_channel=True, send_messages=False)
    review = bot.guild.create_text_channel(
        "review",
        overwrites={bot.guild.default_role: hidden, panel.role: seen, bot.app.bot.user: mute},
    )
    await panel.set("approval", review_channel_id=[review], reviewer_role_id=[role], mode=["everybody"])
    assert "The reviewer role can't see the review channel." in panel.text
    assert f"In {review.mention} I need:" in panel.text
    assert "Send Messages" in panel.text


async def test_damaged_settings_are_told_and_made_good_by_a_change(bot: Harness, panel: Panel) -> None:
    rules = {"spoiler": "sometimes", "retention_days": 30}
    await insert_rules(bot.database, bot.guild.id, rules)
    await panel.open()
    assert "I can't read what is stored of: spoiler. No request is accepted until" in panel.text
    await panel.fill(await panel.change("results"))  # saves what it shows
    assert "I can't read" not in panel.text
    assert (await rules_of(bot)).retention_days == 30
    assert "**Unreadable settings:** spoiler → the default" in panel.text


async def test_without_the_database_the_panel_says_so(bot: Harness, panel: Panel) -> None:
    await panel.open()
    form = await panel.change("results")
    assert set(boxes(form)) == {"spoiler", "gallery_channel_id", "private_results", "ping_requesters"}
    async with bot.database_away():
        sentence = said(await panel.change("results"))
    assert sentence.startswith("I can't reach my database")
    await panel.fill(form, spoiler=["always"])
    assert "never → always" in panel.text
