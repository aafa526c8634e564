"""`/settings`: every form, as a moderator uses it."""

from __future__ import annotations

from typing import Any

import discord
import pytest
from simcord.backend.models.channel import Overwrite

from bot.domain.settings.rules_and_defaults import ApprovalMode, Budget, RoleBudget, ServerRules, Spoiler
from tests.discord.settings_panel import Panel, boxes, rules_of, shown_in
from tests.harness import Harness


async def settings_record(bot: Harness) -> list[tuple[int, list[str]]]:
    """Return the moderator of every recorded change and its lines, oldest first."""
    lines = [line for line in await bot.audit() if line.action == "settings"]
    return [
        (line.actor_id, [f"{label}: {old} → {new}" for label, old, new in line.details["changes"]])
        for line in lines
    ]


async def test_the_overview_shows_every_section_and_opens_its_form(bot: Harness, panel: Panel) -> None:
    await panel.open()
    for words in (
        "Settings of Studio",
        "-# Who waits for approval: nobody\n",
        "-# Runs at once: 3 · Runs waiting: 10\n",
        "**Limits of the server**\n-# No limit\n",
        "Everybody may use all of them",
        "They may start at once",
        "Spoilers: never",
        "Audit log entries are kept for: 365 days",
    ):
        assert words in panel.text
    for section in ("approval", "words", "member", "server", "people", "results", "record"):
        assert boxes(await panel.change(section))
    for section in ("roles", "gpus", "deployments"):
        await panel.change(section)
        assert "home:open" in panel.controls()
        await panel.press("Back")
        assert "Settings of Studio" in panel.text
    assert bot.messages() == []  # nobody else sees any of it
    assert await settings_record(bot) == []


async def test_approval_is_set_up_in_one_form(bot: Harness, panel: Panel) -> None:
    review = bot.guild.create_text_channel("review")
    role, trusted = bot.guild.create_role("Reviewers"), bot.guild.create_role("Trusted")
    await panel.open()
    form = await panel.change("approval")
    assert list(boxes(form)) == ["review_channel_id", "mode", "reviewer_role_id"]
    await panel.fill(form, mode=["everybody"])
    told = [line.removeprefix("❌ ") for line in panel.text.splitlines() if line.startswith("❌ ")]
    assert told == [
        "**Who waits for approval:** Approval needs a review channel. Choose one, or let nobody wait.",
    ]
    form = await panel.press("Edit again")
    assert shown_in(form)["mode"] == ["everybody"]
    await panel.fill(form, review_channel_id=[review])
    for line in (
        f"✅ **Review channel:** none → {review.mention}",
        "✅ **Who waits for approval:** nobody → everybody",
        "Only people with Manage Server can approve",
    ):
        assert line in panel.text
    form = await panel.change("approval")
    assert list(boxes(form)) == ["review_channel_id", "mode", "hours", "reviewer_role_id"]
    await panel.fill(form, reviewer_role_id=[role], mode=["without_roles"], hours="48")
    assert "✅ **Requests expire after:** 24 hours → 48 hours" in panel.text
    assert "Only people with Manage Server can approve" not in panel.text
    assert "No role that exists is chosen under “Who doesn't wait”" in panel.text
    form = await panel.change("approval")
    assert list(boxes(form)) == ["review_channel_id", "mode", "exempt_roles", "hours", "reviewer_role_id"]
    await panel.fill(form, exempt_roles=[trusted])

    await panel.set("approval", review_channel_id=[])
    assert "**Review channel:** Approval needs a review channel." in panel.text
    await panel.set("approval", mode=["selected"])
    assert "so nothing waits" in panel.text
    await bot.restart()
    form = await panel.change("selected")
    assert shown_in(form) == {"deployments": [], "gpus": []}
    await panel.fill(form, deployments=["default"], gpus=["A100", "H100"])
    assert "✅ **GPUs that wait:** none → A100, H100" in panel.text
    assert "so nothing waits" not in panel.text

    approval = (await rules_of(bot)).approval
    assert approval.review_channel_id == review.id
    assert approval.exempt_roles == {trusted.id}
    assert (approval.deployments, approval.gpus) == ({"default"}, {"A100", "H100"})
    assert (approval.mode, approval.hours) == (ApprovalMode.SELECTED, 48)
    record = await settings_record(bot)
    assert {who for who, _ in record} == {panel.actor.id}
    assert record[1][1] == [
        "Who waits for approval: everybody → everybody but certain roles",
        "Requests expire after: 24 hours → 48 hours",
        f"Reviewer role: none → {role.mention}",
    ]
    assert record[2][1] == [f"Who doesn't wait: none → {trusted.mention}"]


async def test_a_review_channel_that_everybody_sees_is_a_warning(bot: Harness, panel: Panel) -> None:
    review = bot.guild.create_text_channel("review")
    await bot.env.settle()
    warning = f"Everybody can see requests in <#{review.id}>."
    await panel.open()
    assert "Everybody can see requests" not in panel.text
    await panel.set("approval", review_channel_id=[review])
    assert warning in panel.text
    everyone = Overwrite(target_id=bot.guild.id, type=0, deny=discord.Permissions(view_channel=True).value)
    bot.env.backend.set_overwrite(review.id, everyone)
    await bot.env.settle()
    await panel.open()
    assert warning not in panel.text


async def test_words_are_added_shown_and_removed(bot: Harness, panel: Panel) -> None:
    async def fill(**changed: Any) -> None:
        await panel.set("words", **changed)

    await fill(automod=["false"])
    assert "applied if I may read them → not applied" in panel.text
    await fill(automod=["true"], blocked_add="  red   fox\n\nbad\nbad")
    rules = await rules_of(bot)
    assert (rules.words.automod, rules.words.blocked) == (True, ("bad", "red fox"))
    await fill(automod=["none"], blocked_add=f"**\na*b\n{'x' * 61}", blocked_remove="owl")
    for sentence in (
        "“\\*\\*” is only a wildcard.",
        "“a\\*b” has a `*` inside, which is no wildcard.",
        f"“{'x' * 39}…” is too long",
        "“owl” is not on the list.",
    ):
        assert f"❌ **The bot's own list:** {sentence}" in panel.text
    assert (await rules_of(bot)).words == rules.words
    assert shown_in(await panel.press("Edit again"))["blocked_remove"] == ["owl"]

    await fill(blocked_add="worse", blocked_remove="RED fox")
    assert "✅ **The bot's own list:** bad, red fox → bad, worse" in panel.text
    assert "The bot's own list: bad, worse" in panel.text
    shown = await panel.press("Download the words")
    assert shown.ephemeral
    assert shown.response.attachments[0].filename == "words.txt"
    await fill(blocked_remove="bad\nworse")
    assert (await rules_of(bot)).words.blocked == ()


async def test_five_hundred_words_can_be_added_and_removed(bot: Harness, panel: Panel) -> None:
    words = [f"word-{number:03}-{'x' * 20}" for number in range(500)]
    pages = [words[page : page + 100] for page in range(0, 500, 100)]
    for page in pages:
        await panel.set("words", blocked_add="\n".join(page))
    assert (await rules_of(bot)).words.blocked == tuple(words)
    _, lines = (await settings_record(bot))[-1]
    assert all(word in lines[0] for word in pages[-1])
    for page in pages:
        await panel.set("words", blocked_remove="\n".join(page))
    assert (await rules_of(bot)).words.blocked == ()


async def test_limits_of_a_member_the_server_a_role_and_a_gpu(bot: Harness, panel: Panel) -> None:
    boosters, staff = bot.guild.create_role("Boosters"), bot.guild.create_role("Staff")
    await panel.open()
    form = await panel.change("member")
    assert [text for _, (text,) in sorted(shown_in(form).items())[:1]] == ["3"]
    await panel.fill(form, at_once="2", waiting="5", runs_a_day="20", gpu_seconds_a_day="1,000")
    assert "✅ **Limits per member · GPU seconds per day:** no limit → 1,000" in panel.text
    await panel.set("server", runs_a_day="500")

    await panel.open()
    await panel.change("roles")
    form = await panel.choose("roles", boosters)
    assert form.modal["title"] == "Limits per role: Boosters"
    await panel.fill(form, at_once="6")
    assert f"✅ **{boosters.mention} · Runs at once:** everybody's → 6" in panel.text
    assert f"**{boosters.mention}:** Runs at once: 6" in panel.text
    assert shown_in(await panel.choose("roles", boosters))["at_once"] == ["6"]
    await panel.fill(await panel.choose("roles", staff), unlimited=["true"])
    await panel.press("Back")
    assert f"{boosters.mention}, {staff.mention}" in panel.text
    await panel.change("gpus")
    await panel.fill(await panel.choose("gpus", "H100"), gpu_weights="2,5")
    assert "**H100:** A second counts as: 2.5" in panel.text

    budgets = (await rules_of(bot)).budgets
    assert budgets.person == Budget(at_once=2, waiting=5, runs_a_day=20, gpu_seconds_a_day=1000)
    assert budgets.server == Budget(at_once=None, waiting=None, runs_a_day=500)
    assert budgets.roles == {boosters.id: RoleBudget(at_once=6), staff.id: RoleBudget(unlimited=True)}
    assert budgets.gpu_weights == {"H100": 2.5}

    await panel.fill(await panel.choose("gpus", "H100"), gpu_weights="")
    await panel.press("Back")
    await panel.change("roles")
    await panel.fill(await panel.choose("roles", boosters), at_once="")
    await panel.fill(await panel.choose("roles", staff), unlimited=["false"])
    budgets = (await rules_of(bot)).budgets
    assert (budgets.roles, budgets.gpu_weights) == ({}, {})


async def test_gpus_and_deployments_for_some_roles_only(bot: Harness, panel: Panel) -> None:
    staff, boosters = bot.guild.create_role("Staff"), bot.guild.create_role("Boosters")
    await panel.open()
    await panel.change("gpus")
    form = await panel.choose("gpus", "H100")
    assert shown_in(form) == {"gpu_roles_all": ["yes"], "gpu_roles": [], "gpu_weights": []}
    await panel.fill(form, gpu_roles=[staff, boosters])
    assert f"**H100 · Who may use it:** everybody → {staff.mention}, {boosters.mention}" in panel.text
    shown = shown_in(await panel.choose("gpus", "H100"))
    assert shown["gpu_roles"] == [str(staff.id), str(boosters.id)]
    await panel.press("Back")
    assert "The default GPU isn't known for: Picture." in panel.text
    await panel.change("deployments")
    await panel.fill(await panel.choose("deployments", "default"), deployment_roles=[staff])
    rules = await rules_of(bot)
    assert rules.gpu_roles == {"H100": {staff.id, boosters.id}}
    assert rules.deployment_roles == {"default": {staff.id}}
    # A list without roles is for nobody; opening is a choice of its own.
    await panel.fill(await panel.choose("deployments", "default"), deployment_roles=[])
    assert (await rules_of(bot)).deployment_roles == {"default": frozenset()}
    form = await panel.choose("deployments", "default")
    await panel.fill(form, deployment_roles_all=True)
    assert "nobody → everybody" in panel.text
    await panel.press("Back")
    await panel.change("gpus")
    await panel.fill(await panel.choose("gpus", "H100"), gpu_roles_all=True, gpu_roles=[])
    assert "Everybody may use all of them" in panel.text
    assert (await rules_of(bot)) == ServerRules()


async def test_the_section_about_cards_has_their_ping_before_there_are_reviewers(
    bot: Harness, panel: Panel
) -> None:
    await panel.open()
    assert "New cards: ping nobody" in panel.text
    await panel.fill(await panel.change("record"), ping_reviewers=["true"])
    assert "❌ **New cards:** Choose a reviewer role in Approval first" in panel.text
    await panel.set("approval", reviewer_role_id=[bot.guild.create_role("Reviewers")])
    await panel.fill(await panel.change("record"), ping_reviewers=["true"])
    assert (await rules_of(bot)).ping_reviewers


async def test_a_closed_form_can_be_opened_again(bot: Harness, panel: Panel) -> None:
    await panel.open()
    await panel.change("gpus")
    assert (await panel.choose("gpus", "H100")).modal
    await panel.choose("gpus")  # clients don't send the same choice again
    assert (await panel.choose("gpus", "H100")).modal


async def test_people_results_and_the_record(bot: Harness, panel: Panel) -> None:
    await panel.set("people", account_days="30", member_days="1")
    assert "**Time on this server:** any time → 1 day" in panel.text
    await panel.set("results")
    assert "Nothing changed." in panel.text
    closed: Any = {bot.app.bot.user: discord.PermissionOverwrite(send_messages=False)}
    gallery = bot.guild.create_text_channel("gallery", overwrites=closed)
    await panel.set("results", spoiler=["always"], gallery_channel_id=[gallery], private_results=["true"])
    assert f"**Gallery channel:** none → {gallery.mention}" in panel.text
    assert f"In {gallery.mention} I need: Send Messages" in panel.text
    assert "Spoilers: always" in panel.text
    await panel.set("record", retention_days="90")
    rules = await rules_of(bot)
    assert (rules.people.account_days, rules.people.member_days) == (30, 1)
    assert (rules.spoiler, rules.retention_days, rules.private_results) == (Spoiler.ALWAYS, 90, True)
    assert rules.gallery_channel_id == gallery.id


@pytest.mark.parametrize(
    ("section", "typed", "sentences"),
    [
        (
            "member",
            {"at_once": "0", "runs_a_day": "*12*", "gpu_seconds_a_day": "x"},
            [
                "**Limits per member · Runs at once:** 0 is too small; it must be at least 1.",
                "**Limits per member · Runs per day:** “\\*12\\*” is not a whole number. "
                "Please use digits only.",
                "**Limits per member · GPU seconds per day:** “x” is not a whole number. "
                "Please use digits only.",
            ],
        ),
        (
            "people",
            {"account_days": "3651", "member_days": "-1"},
            [
                "**Age of the account:** 3651 is too large; it must be at most 3650.",
                "**Time on this server:** \\-1 is too small; it must be at least 0.",
            ],
        ),
    ],
)
async def test_every_refused_value_is_told_and_comes_back_to_be_edited(
    panel: Panel, section: str, typed: dict[str, str], sentences: list[str]
) -> None:
    await panel.set(section, **typed)
    told = [line.removeprefix("❌ ") for line in panel.text.splitlines() if line.startswith("❌ ")]
    assert told == sentences
    assert "Nothing was saved. Edit again keeps what you typed." in panel.text
    assert panel.colour == discord.Colour.red().value
    again = shown_in(await panel.press("Edit again"))
    assert {name: again[name] for name in typed} == {name: [text] for name, text in typed.items()}
    assert await rules_of(panel.bot) == ServerRules()
    await panel.bot.restart()  # the draft is gone, the form opens with what is stored
    again = shown_in(await panel.press("Edit again"))
    assert {name: again[name] for name in typed} != {name: [text] for name, text in typed.items()}


async def test_a_stale_form_refuses_only_what_somebody_else_has_changed(bot: Harness) -> None:
    mona, theo = Panel(bot, "mona"), Panel(bot, "theo")
    await mona.open()
    await theo.open()
    monas, theos = await mona.change("member"), await theo.change("member")
    await mona.fill(monas, at_once="1")
    await theo.fill(theos, at_once="4", runs_a_day="50")
    assert "❌ **Limits per member · Runs at once:** Meanwhile somebody else has set this to 1." in theo.text
    assert "✅ **Limits per member · Runs per day:** no limit → 50" in theo.text
    assert "Runs at once: 1 " in theo.text  # as it is now
    assert (await rules_of(bot)).budgets.person == Budget(at_once=1, waiting=10, runs_a_day=50)
    again = await theo.press("Edit again")
    assert shown_in(again)["at_once"] == ["4"]
    await theo.fill(again)
    assert (await rules_of(bot)).budgets.person == Budget(at_once=4, waiting=10, runs_a_day=50)
    assert [who for who, _ in await settings_record(bot)] == [mona.actor.id, theo.actor.id, theo.actor.id]


async def test_what_a_form_left_as_it_was_undoes_nothing(bot: Harness) -> None:
    mona, theo = Panel(bot, "mona"), Panel(bot, "theo")
    await mona.open()
    form = await mona.change("results")
    await theo.set("results", spoiler=["always"])
    await mona.fill(form, private_results=["true"])
    rules = await rules_of(bot)
    assert (rules.spoiler, rules.private_results) == (Spoiler.ALWAYS, True)
    assert "❌" not in mona.text


async def test_a_form_that_is_too_long_has_several_parts(bot: Harness, panel: Panel) -> None:
    roles = [bot.guild.create_role(f"role {number}") for number in range(28)]
    await bot.env.settle()
    review = bot.guild.create_text_channel("review")
    await panel.set("approval", review_channel_id=[review], mode=["without_roles"])
    await panel.fill(await panel.change("approval"), exempt_roles=roles[:25])
    await panel.change("approval")
    await panel.fill(await panel.press("Change 1 of 2"), exempt_roles_1=roles[25:], hours="5")
    await panel.change("approval")
    last = await panel.press("Change 2 of 2")
    assert set(boxes(last)) == {"reviewer_role_id"}
    await panel.fill(last, reviewer_role_id=[roles[0]])
    rules = await rules_of(bot)
    assert rules.approval.exempt_roles == {role.id for role in roles}
    assert (rules.approval.hours, rules.reviewer_role_id) == (5, roles[0].id)


async def test_more_than_25_roles_can_be_chosen_and_taken_away(bot: Harness, panel: Panel) -> None:
    roles = [bot.guild.create_role(f"role {number}") for number in range(30)]
    await bot.env.settle()
    await panel.open()
    await panel.change("gpus")
    await panel.fill(await panel.choose("gpus", "H100"), gpu_roles=roles[:25])
    form = await panel.choose("gpus", "H100")
    assert len(shown_in(form)["gpu_roles"]) == 25
    assert shown_in(form)["gpu_roles_1"] == []
    await panel.fill(form, gpu_roles_1=roles[25:])
    assert (await rules_of(bot)).gpu_roles == {"H100": {role.id for role in roles}}
    await panel.fill(await panel.choose("gpus", "H100"), gpu_roles_1=[], gpu_roles=roles[:3])
    assert (await rules_of(bot)).gpu_roles == {"H100": {role.id for role in roles[:3]}}
    assert "30 entries → 3 entries: removed" in panel.text
