"""`/settings`: every control, as a moderator uses it and as a stranger tries to."""

from __future__ import annotations

from typing import Any

import discord
import pytest
from sqlalchemy import select

from bot.database.tables import audit
from bot.domain.settings.rules_and_defaults import ApprovalMode, Budget, RoleBudget, ServerRules, Spoiler
from tests.discord.forged import select_as
from tests.discord.moderated_server import set_rules
from tests.discord.settings_panel import Moderator, boxes, rules_of
from tests.harness import Harness


@pytest.fixture
def mona(bot: Harness) -> Moderator:
    """Return a moderator who uses the panel."""
    return Moderator(bot, "mona")


async def settings_record(bot: Harness) -> list[tuple[int, str]]:
    """(who, what) of every change."""
    async with bot.app.store.database.read() as connection:
        rows = await connection.execute(
            select(audit.c.actor_id, audit.c.details).where(audit.c.action == "settings").order_by(audit.c.id)
        )
        return [(row.actor_id, row.details["what"]) for row in rows]


async def test_the_overview_shows_and_opens_every_section(bot: Harness, mona: Moderator) -> None:
    await mona.open()
    for words in (
        "Settings of Studio",
        "**Approval** · Nobody waits",
        "3 at once, 10 waiting for each person · no limit for the whole server",
        "Everybody may use all of them",
        "Accounts of any age · any time on this server",
        "Never hidden",
        "Kept for 365 days",
    ):
        assert words in mona.text
    for section in ("approval", "words", "budgets", "gpus", "people", "results", "record"):
        await mona.choose("home:open", section)
        assert "home:back" in mona.controls()
        await mona.press("Back")
        assert "Settings of Studio" in mona.text
    assert bot.messages() == []  # nobody else sees any of it
    assert await settings_record(bot) == []


async def test_approval_is_set_up_step_by_step(bot: Harness, mona: Moderator) -> None:
    review = bot.guild.create_text_channel("review")
    role, trusted = bot.guild.create_role("Reviewers"), bot.guild.create_role("Trusted")
    await mona.open("approval")
    assert "**Who waits for approval**\n-# Choose a review channel first." in mona.text
    assert mona.is_disabled("approval:mode")
    await select_as(bot, mona.actor, mona.panel, "set:approval:mode", "everybody")
    assert "Approval needs a review channel. Please choose one first." in mona.text
    assert (await rules_of(bot)).approval.mode is ApprovalMode.OFF

    await mona.choose("approval:channel", review)
    assert f"**Review channel:** none → {review.mention}" in mona.text
    assert not mona.is_disabled("approval:mode")
    await mona.choose("approval:mode", "everybody")
    assert "**Who waits for approval:** Nobody → Everybody" in mona.text
    assert "Only people with Manage Server can approve" in mona.text
    await mona.choose("approval:reviewer", role)
    assert "Only people with Manage Server can approve" not in mona.text
    assert mona.defaults("approval:reviewer") == [str(role.id)]

    await mona.choose("approval:channel")
    assert "Approval needs its review channel." in mona.text
    assert mona.is_disabled("approval:exempt")
    await mona.choose("approval:mode", "without_roles")
    assert "No role that exists is chosen, so everybody waits." in mona.text
    await mona.choose("approval:exempt", trusted, role)
    assert "so everybody waits" not in mona.text
    assert mona.defaults("approval:exempt") == sorted([str(trusted.id), str(role.id)])
    await mona.choose("approval:mode", "selected")
    assert mona.text.count("Who doesn't wait:") == 0
    assert (mona.is_disabled("approval:exempt"), mona.defaults("approval:exempt")) == (True, [])
    assert "so nothing waits for approval" in mona.text
    await mona.choose("approval:deployments:0", *mona.options("approval:deployments:0"))
    await mona.choose("approval:gpus:0", "A100", "H100")
    assert "none → A100, H100" in mona.text
    await mona.choose("approval:gpus:0", "H100")
    assert "removed A100" in mona.text

    form = await mona.press("Change when it expires")
    assert boxes(form) == ["24"]
    await mona.fill(form, "48")
    assert "**Expires after:** 24 hours → 48 hours" in mona.text

    approval = (await rules_of(bot)).approval
    assert approval.review_channel_id == review.id
    assert approval.exempt_roles == {trusted.id, role.id}
    assert approval.gpus == {"H100"}
    assert (approval.mode, approval.hours) == (ApprovalMode.SELECTED, 48)
    assert {who for who, _ in await settings_record(bot)} == {mona.actor.id}
    assert [what for _, what in await settings_record(bot)][:2] == ["approval.channel", "approval.mode"]


async def test_words_are_added_edited_shown_and_removed(bot: Harness, mona: Moderator) -> None:
    await mona.open("words")
    assert mona.defaults("words:automod") == ["able"]
    await mona.choose("words:automod", "never")
    assert "applied → not applied" in mona.text
    await mona.choose("words:automod", "always")
    assert (await rules_of(bot)).words.automod is True
    await mona.choose("words:automod", "able")
    assert (await rules_of(bot)).words.automod is None
    await mona.fill(await mona.press("Add words"), "  red   fox\n\nbad\nbad")
    assert (await rules_of(bot)).words.blocked == ("bad", "red fox")
    form = await mona.press("Edit the list")
    assert boxes(form) == ["bad\nred fox"]
    await mona.fill(form, "bad\nworse")
    assert "added worse; removed red fox" in mona.text
    shown = await mona.press("Show the list")
    assert shown.ephemeral
    assert shown.response.attachments[0].filename == "words.txt"
    await mona.fill(await mona.press("Edit the list"))
    assert (await rules_of(bot)).words.blocked == ()
    assert "words:list" not in mona.controls()


async def test_a_list_too_long_for_one_form_is_changed_word_by_word(bot: Harness, mona: Moderator) -> None:
    await mona.open("words")
    for half in ("a", "b"):
        words = "\n".join(f"{half}{number:03d} {'x' * 10}" for number in range(240))
        await mona.fill(await mona.press("Add words"), words)
    assert "words:list" not in mona.controls()
    await mona.fill(await mona.press("Remove words"), f"A007 {'X' * 10}")
    assert len((await rules_of(bot)).words.blocked) == 479
    await mona.fill(await mona.press("Remove words"), "c001")
    assert "“c001” is not on the list." in mona.text


async def test_budgets_of_a_person_the_server_a_role_and_a_gpu(bot: Harness, mona: Moderator) -> None:
    boosters, staff = bot.guild.create_role("Boosters"), bot.guild.create_role("Staff")
    await mona.open("budgets")
    form = await mona.press("Limit each person")
    assert boxes(form) == ["3", "10", "", ""]
    await mona.fill(form, "2", "5", "20", "1,000")
    assert "3 at once · 10 waiting → 2 at once · 5 waiting · 20 a day · 1,000 GPU seconds a day" in mona.text
    await mona.fill(await mona.press("Limit the server"), "", "", "500", "")

    form = await mona.choose("budgets:role", boosters)
    assert form.modal["title"] == "Limits of Boosters"
    await mona.fill(form, "6", "", "")
    assert f"**{boosters.mention}:** not set → 6 at once" in mona.text
    assert boxes(await mona.choose("budgets:role", boosters)) == ["6", "", ""]
    await mona.choose("budgets:unlimited", staff)
    assert f"**{staff.mention}:** not set → no limit" in mona.text
    form = await mona.choose("budgets:weight:0", "H100")
    assert form.modal["title"] == "How much H100 counts"
    await mona.fill(form, "2,5")
    assert "H100: 2.5" in mona.text

    budgets = (await rules_of(bot)).budgets
    assert budgets.person == Budget(at_once=2, waiting=5, runs_a_day=20, gpu_seconds_a_day=1000)
    assert budgets.server == Budget(at_once=None, waiting=None, runs_a_day=500)
    assert budgets.roles == {boosters.id: RoleBudget(at_once=6), staff.id: RoleBudget(unlimited=True)}
    assert budgets.gpu_weights == {"H100": 2.5}

    await mona.choose("budgets:unlimited")
    await mona.fill(await mona.choose("budgets:role", boosters), "", "", "")
    await mona.fill(await mona.choose("budgets:weight:0", "H100"), "")
    budgets = (await rules_of(bot)).budgets
    assert (budgets.roles, budgets.gpu_weights) == ({}, {})


async def test_gpus_and_deployments_for_some_roles_only(bot: Harness, mona: Moderator) -> None:
    staff, boosters = bot.guild.create_role("Staff"), bot.guild.create_role("Boosters")
    await mona.open("gpus")
    (deployment,) = mona.options("gpus:deployment:0")
    await mona.choose("gpus:gpu:0", "H100")
    assert "Who may use **H100**" in mona.text
    assert "The default GPU isn't known" not in mona.text
    assert mona.defaults("gpus:gpu:0") == ["H100"]
    await mona.choose("gpus:gpu_roles:H100", staff, boosters)
    assert mona.defaults("gpus:gpu_roles:H100") == [str(staff.id), str(boosters.id)]
    assert "The default GPU isn't known for: Picture." in mona.text
    await mona.choose("gpus:deployment:0", deployment)
    await mona.choose(f"gpus:deployment_roles:{deployment}", staff)
    rules = await rules_of(bot)
    assert rules.gpu_roles == {"H100": {staff.id, boosters.id}}
    assert rules.deployment_roles == {deployment: {staff.id}}
    await mona.press("Open it to everybody")
    await mona.choose("gpus:gpu:0", "H100")
    await mona.choose("gpus:gpu_roles:H100")
    assert (await rules_of(bot)) == ServerRules()


async def test_people_results_and_the_record(bot: Harness, mona: Moderator) -> None:
    await mona.open("people")
    form = await mona.press("Change the limits")
    assert boxes(form) == ["0", "0"]
    await mona.fill(form, "30", "1")
    assert "**Time on this server:** Any time → 1 day" in mona.text
    await mona.press("Back")
    assert "Accounts of 30 days or more · 1 day or more on this server" in mona.text
    await mona.choose("home:open", "results")
    await mona.choose("results:spoiler", "always")
    closed: Any = {bot.app.bot.user: discord.PermissionOverwrite(send_messages=False)}
    gallery = bot.guild.create_text_channel("gallery", overwrites=closed)
    await mona.choose("results:gallery", gallery)
    assert f"**Gallery channel:** none → {gallery.mention}" in mona.text
    assert f"In {gallery.mention} I need: Send Messages" in mona.text
    await mona.press("Back")
    assert f"Always hidden behind a click · shared to {gallery.mention}" in mona.text
    await mona.choose("home:open", "record")
    await mona.fill(await mona.press("Change how long it is kept"), "90")
    rules = await rules_of(bot)
    assert (rules.people.account_days, rules.people.member_days) == (30, 1)
    assert (rules.spoiler, rules.retention_days) == (Spoiler.ALWAYS, 90)
    assert rules.gallery_channel_id == gallery.id


async def test_choosing_what_is_chosen_already_changes_nothing(bot: Harness, mona: Moderator) -> None:
    await mona.open("results")
    await mona.choose("results:spoiler", "never")
    assert "Nothing changed." in mona.text
    assert await settings_record(bot) == []


@pytest.mark.parametrize(
    ("section", "button", "typed", "sentence"),
    [
        ("approval", "Change when it expires", ["337"], "337 is too large; the largest is 336."),
        ("approval", "Change when it expires", ["0"], "0 is too small; the smallest is 1."),
        ("approval", "Change when it expires", ["-5"], "-5 is too small; the smallest is 1."),
        ("approval", "Change when it expires", ["1e3"], "“1e3” is not a whole number."),
        ("budgets", "Limit each person", ["3", "10", "lots", ""], "“lots” is not a whole number."),
        ("budgets", "Limit the server", ["0", "", "", ""], "0 is too small; the smallest is 1."),
        ("people", "Change the limits", ["1", "3651"], "3651 is too large; the largest is 3650."),
        ("record", "Change how long it is kept", ["9" * 20], "is not a whole number."),
        ("record", "Change how long it is kept", ["*12*"], "“\\*12\\*” is not a whole number."),
        (
            "words",
            "Add words",
            ["ok\n" + "x" * 61],
            "is too long: a word or phrase has at most 60 characters.",
        ),
    ],
)
async def test_what_was_typed_out_of_range_comes_back_to_be_edited(
    bot: Harness, section: str, button: str, typed: list[str], sentence: str
) -> None:
    mona = Moderator(bot, "mona")
    review = bot.guild.create_text_channel("review")
    await set_rules(bot, approval={"mode": "everybody", "review_channel_id": review.id})
    before = await rules_of(bot)
    await mona.open(section)
    await mona.fill(await mona.press(button), *typed)
    assert "❌" in mona.text
    assert sentence in mona.text
    assert mona.colour == discord.Colour.red().value
    assert boxes(await mona.press("Edit again")) == typed
    assert await rules_of(bot) == before
    await bot.restart()  # the draft is gone, the form opens with what is stored
    assert boxes(await mona.press("Edit again")) != typed


async def test_two_moderators_at_once_lose_nothing(bot: Harness) -> None:
    mona, theo = Moderator(bot, "mona"), Moderator(bot, "theo")
    await mona.open("budgets")
    await theo.open("budgets")
    monas, theos = await mona.press("Limit each person"), await theo.press("Limit each person")
    await mona.fill(monas, "1", "10", "", "")
    await theo.fill(theos, "3", "10", "50", "")
    assert "Somebody else has just changed this." in theo.text
    assert "1 at once · 10 waiting" in theo.text  # as it is now
    again = await theo.press("Edit again")
    assert boxes(again) == ["3", "10", "50", ""]
    await theo.fill(again, "1", "10", "50", "")
    assert (await rules_of(bot)).budgets.person == Budget(at_once=1, waiting=10, runs_a_day=50)
    assert [who for who, _ in await settings_record(bot)] == [mona.actor.id, theo.actor.id]


async def test_an_open_panel_and_an_open_form_go_on_after_a_restart(bot: Harness, mona: Moderator) -> None:
    review = bot.guild.create_text_channel("review")
    await mona.open("approval")
    await bot.restart()
    await mona.choose("approval:channel", review)
    await mona.choose("approval:mode", "everybody")
    form = await mona.press("Change when it expires")
    await bot.restart()
    await mona.fill(form, "12")
    await bot.restart()
    await mona.press("Back")
    assert "**Approval** · Everybody" in mona.text
    await bot.restart()
    await mona.choose("home:open", "approval")
    assert "**Expires after:** 12 hours" in mona.text
    assert (await rules_of(bot)).approval.review_channel_id == review.id
