"""`/settings`: every control, as a moderator uses it."""

from __future__ import annotations

from typing import Any

import discord
import pytest
from simcord.backend.models.channel import Overwrite

from bot.domain.settings.rules_and_defaults import ApprovalMode, Budget, RoleBudget, ServerRules, Spoiler
from tests.discord.forged import select_as
from tests.discord.settings_panel import Panel, boxes, rules_of
from tests.harness import Harness


async def settings_record(bot: Harness) -> list[tuple[int, str]]:
    """Return the moderator and the setting of every recorded change, oldest first."""
    lines = [line for line in await bot.audit() if line.action == "settings"]
    return [(line.actor_id, line.details["changes"][0][0]) for line in lines]


async def test_the_overview_shows_and_opens_every_section(bot: Harness, panel: Panel) -> None:
    await panel.open()
    for words in (
        "Settings of Studio",
        "**Approval** · Nobody waits",
        "3 at once, 10 waiting for each person · no limit for the whole server",
        "Everybody may use all of them",
        "Accounts of any age · any time on this server",
        "No spoilers",
        "Kept for 365 days",
    ):
        assert words in panel.text
    for section in ("approval", "words", "budgets", "gpus", "people", "results", "record"):
        await panel.choose("home:open", section)
        assert "home:back" in panel.controls()
        await panel.press("Back")
        assert "Settings of Studio" in panel.text
    assert bot.messages() == []  # nobody else sees any of it
    assert await settings_record(bot) == []


async def test_approval_is_set_up_step_by_step(bot: Harness, panel: Panel) -> None:
    review = bot.guild.create_text_channel("review")
    role, trusted = bot.guild.create_role("Reviewers"), bot.guild.create_role("Trusted")
    await panel.open("approval")
    await select_as(bot, panel.actor, panel.message, "set:approval:mode", "everybody")
    assert "Approval needs a review channel. Please choose one first." in panel.text
    await panel.choose("approval:channel", review)
    assert f"**Review channel:** None → {review.mention}" in panel.text
    await panel.choose("approval:mode", "everybody")
    assert "**Who waits for approval:** Nobody → Everybody" in panel.text
    assert "Only people with Manage Server can approve" in panel.text
    await panel.choose("approval:reviewer", role)
    assert "Only people with Manage Server can approve" not in panel.text
    assert panel.defaults("approval:reviewer") == [str(role.id)]

    await panel.choose("approval:channel")
    assert "Approval needs its review channel." in panel.text
    await panel.choose("approval:mode", "without_roles")
    await panel.choose("approval:exempt", trusted, role)
    assert panel.defaults("approval:exempt") == sorted([str(trusted.id), str(role.id)])
    await panel.choose("approval:mode", "selected")
    assert panel.defaults("approval:exempt") == []
    await panel.choose("approval:deployments:0", *panel.options("approval:deployments:0"))
    await panel.choose("approval:gpus:0", "A100", "H100")
    assert "None → A100, H100" in panel.text
    await panel.choose("approval:gpus:0", "H100")
    assert "removed A100" in panel.text

    form = await panel.press("Change when requests expire")
    assert boxes(form) == ["24"]
    await bot.restart()
    await panel.fill(form, "48")
    assert "**Requests expire after:** 24 hours → 48 hours" in panel.text

    approval = (await rules_of(bot)).approval
    assert approval.review_channel_id == review.id
    assert approval.exempt_roles == {trusted.id, role.id}
    assert approval.gpus == {"H100"}
    assert (approval.mode, approval.hours) == (ApprovalMode.SELECTED, 48)
    assert {who for who, _ in await settings_record(bot)} == {panel.actor.id}
    changed = [what for _, what in await settings_record(bot)]
    assert changed[:2] == ["Review channel", "Who waits for approval"]


async def test_a_review_channel_that_everybody_sees_is_a_warning(bot: Harness, panel: Panel) -> None:
    review = bot.guild.create_text_channel("review")
    await bot.env.settle()
    warning = f"Everybody can see requests in <#{review.id}>."
    await panel.open("approval")
    assert "Everybody can see requests" not in panel.text
    await panel.choose("approval:channel", review)
    assert warning in panel.text
    everyone = Overwrite(target_id=bot.guild.id, type=0, deny=discord.Permissions(view_channel=True).value)
    bot.env.backend.set_overwrite(review.id, everyone)
    await bot.env.settle()
    await panel.open("approval")
    assert warning not in panel.text


async def test_words_are_added_edited_shown_and_removed(bot: Harness, panel: Panel) -> None:
    await panel.open("words")
    assert panel.defaults("words:automod") == ["able"]
    await panel.choose("words:automod", "never")
    assert "Applied → Not applied" in panel.text
    await panel.choose("words:automod", "always")
    assert (await rules_of(bot)).words.automod is True
    await panel.choose("words:automod", "able")
    assert (await rules_of(bot)).words.automod is None
    await panel.fill(await panel.press("Add words"), "  red   fox\n\nbad\nbad")
    assert (await rules_of(bot)).words.blocked == ("bad", "red fox")
    await panel.fill(await panel.press("Add words"), f"**\na*b\n{'x' * 61}")
    assert "“\\*\\*” is only a wildcard." in panel.text
    assert "“a\\*b” has a `*` inside, which is no wildcard." in panel.text
    assert f"“{'x' * 39}…” is too long" in panel.text
    form = await panel.press("Edit")
    assert boxes(form) == ["bad\nred fox"]
    await panel.fill(form, "bad\nworse")
    assert "added worse; removed red fox" in panel.text
    shown = await panel.press("Show")
    assert shown.ephemeral
    assert shown.response.attachments[0].filename == "words.txt"
    await panel.fill(await panel.press("Edit"))
    assert (await rules_of(bot)).words.blocked == ()
    assert "words:list" not in panel.controls()


async def test_budgets_of_a_person_the_server_a_role_and_a_gpu(bot: Harness, panel: Panel) -> None:
    boosters, staff = bot.guild.create_role("Boosters"), bot.guild.create_role("Staff")
    await panel.open("budgets")
    form = await panel.press("Limit people")
    assert boxes(form) == ["3", "10", "", ""]
    await panel.fill(form, "2", "5", "20", "1,000")
    assert (
        "3 at once · 10 waiting → 2 at once · 5 waiting · 20 per day · 1,000 GPU seconds per day"
        in panel.text
    )
    await panel.fill(await panel.press("Limit server"), "", "", "500", "")

    form = await panel.choose("budgets:role", boosters)
    assert form.modal["title"] == "Limits of Boosters"
    await panel.fill(form, "6", "", "")
    assert f"**{boosters.mention}:** Not set → 6 at once" in panel.text
    assert boxes(await panel.choose("budgets:role", boosters)) == ["6", "", ""]
    await panel.choose("budgets:unlimited", staff)
    assert f"**{staff.mention}:** Not set → No limit" in panel.text
    form = await panel.choose("budgets:weight:0", "H100")
    assert form.modal["title"] == "How much H100 counts"
    await panel.fill(form, "2,5")
    assert "H100 ×2.5" in panel.text

    budgets = (await rules_of(bot)).budgets
    assert budgets.person == Budget(at_once=2, waiting=5, runs_a_day=20, gpu_seconds_a_day=1000)
    assert budgets.server == Budget(at_once=None, waiting=None, runs_a_day=500)
    assert budgets.roles == {boosters.id: RoleBudget(at_once=6), staff.id: RoleBudget(unlimited=True)}
    assert budgets.gpu_weights == {"H100": 2.5}

    await panel.choose("budgets:unlimited")
    await panel.fill(await panel.choose("budgets:role", boosters), "", "", "")
    await panel.fill(await panel.choose("budgets:weight:0", "H100"), "")
    budgets = (await rules_of(bot)).budgets
    assert (budgets.roles, budgets.gpu_weights) == ({}, {})


async def test_gpus_and_deployments_for_some_roles_only(bot: Harness, panel: Panel) -> None:
    staff, boosters = bot.guild.create_role("Staff"), bot.guild.create_role("Boosters")
    await panel.open("gpus")
    (deployment,) = panel.options("gpus:deployment:0")
    await panel.choose("gpus:gpu:0", "H100")
    assert "Who may use **H100**" in panel.text
    assert "The default GPU isn't known" not in panel.text
    assert panel.defaults("gpus:gpu:0") == ["H100"]
    await panel.choose("gpus:gpu_roles:H100", staff, boosters)
    assert panel.defaults("gpus:gpu_roles:H100") == [str(staff.id), str(boosters.id)]
    assert "**H100:** Everybody → <@&" in panel.text
    assert "not set" not in panel.text
    assert "The default GPU isn't known for: Picture." in panel.text
    await panel.choose("gpus:deployment:0", deployment)
    await panel.choose(f"gpus:deployment_roles:{deployment}", staff)
    rules = await rules_of(bot)
    assert rules.gpu_roles == {"H100": {staff.id, boosters.id}}
    assert rules.deployment_roles == {deployment: {staff.id}}
    await panel.press("Open it to everybody")
    await panel.choose("gpus:gpu:0", "H100")
    await panel.choose("gpus:gpu_roles:H100")
    assert "> → Everybody" in panel.text
    assert "**All GPUs:** Everybody" in panel.text
    assert "not set" not in panel.text
    assert (await rules_of(bot)) == ServerRules()


async def test_people_results_and_the_record(bot: Harness, panel: Panel) -> None:
    await panel.open("people")
    form = await panel.press("Change the limits")
    assert boxes(form) == ["0", "0"]
    await panel.fill(form, "30", "1")
    assert "**Time on this server:** Any time → 1 day" in panel.text
    await panel.press("Back")
    assert "Accounts of 30 days or more · 1 day or more on this server" in panel.text
    await panel.choose("home:open", "results")
    await panel.choose("results:spoiler", "never")
    assert "Nothing changed." in panel.text
    await panel.choose("results:spoiler", "always")
    closed: Any = {bot.app.bot.user: discord.PermissionOverwrite(send_messages=False)}
    gallery = bot.guild.create_text_channel("gallery", overwrites=closed)
    await panel.choose("results:gallery", gallery)
    assert f"**Gallery channel:** None → {gallery.mention}" in panel.text
    assert f"In {gallery.mention} I need: Send Messages" in panel.text
    await panel.press("Back")
    assert f"All are spoilers · shared to {gallery.mention}" in panel.text
    await panel.choose("home:open", "record")
    await panel.fill(await panel.press("Change how long it is kept"), "90")
    rules = await rules_of(bot)
    assert (rules.people.account_days, rules.people.member_days) == (30, 1)
    assert (rules.spoiler, rules.retention_days) == (Spoiler.ALWAYS, 90)
    assert rules.gallery_channel_id == gallery.id


@pytest.mark.parametrize(
    ("section", "button", "typed", "sentences"),
    [
        ("record", "Change how long it is kept", ["3651"], ["3651 is too large; it must be at most 3650."]),
        (
            "budgets",
            "Limit people",
            ["0", "10", "*12*", "x"],
            [
                "**Each person · Runs at once:** 0 is too small; it must be at least 1.",
                "**Each person · Runs per day:** “\\*12\\*” is not a whole number. Please use digits only.",
                "**Each person · GPU seconds per day:** “x” is not a whole number. Please use digits only.",
            ],
        ),
        (
            "people",
            "Change the limits",
            ["3651", "-1"],
            [
                "**Minimum age of the Discord account, in days:** "
                "3651 is too large; it must be at most 3650.",
                "**Minimum time on this server, in days:** \\-1 is too small; it must be at least 0.",
            ],
        ),
    ],
)
async def test_every_refused_value_is_told_and_comes_back_to_be_edited(
    panel: Panel, section: str, button: str, typed: list[str], sentences: list[str]
) -> None:
    await panel.open(section)
    await panel.fill(await panel.press(button), *typed)
    told = [line.removeprefix("❌ ") for line in panel.text.splitlines() if line.startswith("❌ ")]
    assert told == sentences
    assert panel.colour == discord.Colour.red().value
    assert boxes(await panel.press("Edit again")) == typed
    assert await rules_of(panel.bot) == ServerRules()
    await panel.bot.restart()  # the draft is gone, the form opens with what is stored
    assert boxes(await panel.press("Edit again")) != typed


async def test_a_refused_budget_says_whom_or_what_it_limits(bot: Harness, panel: Panel) -> None:
    role = bot.guild.create_role("Boosters")
    await panel.open("budgets")
    await panel.fill(await panel.press("Limit server"), "", "x", "", "")
    assert "❌ **Whole server · Runs waiting in the queue:** “x” is not a whole number." in panel.text
    await panel.fill(await panel.choose("budgets:role", role), "", "0", "")
    assert f"❌ **{role.mention} · Runs per day:** 0 is too small; it must be at least 1." in panel.text
    for typed, sentence in (("x", "“x” is not a number."), ("0", "0 is too small; it must be more")):
        await panel.fill(await panel.choose("budgets:weight:0", "H100"), typed)
        assert f"❌ **H100:** {sentence}" in panel.text
    assert await rules_of(bot) == ServerRules()


async def test_two_moderators_at_once_lose_nothing(bot: Harness) -> None:
    mona, theo = Panel(bot, "mona"), Panel(bot, "theo")
    await mona.open("budgets")
    await theo.open("budgets")
    monas, theos = await mona.press("Limit people"), await theo.press("Limit people")
    await mona.fill(monas, "1", "10", "", "")
    await theo.fill(theos, "3", "10", "50", "")
    assert "Somebody else has just changed this." in theo.text
    assert "1 at once · 10 waiting" in theo.text  # as it is now
    again = await theo.press("Edit again")
    assert boxes(again) == ["3", "10", "50", ""]
    await theo.fill(again, "1", "10", "50", "")
    assert (await rules_of(bot)).budgets.person == Budget(at_once=1, waiting=10, runs_a_day=50)
    assert [who for who, _ in await settings_record(bot)] == [mona.actor.id, theo.actor.id]
