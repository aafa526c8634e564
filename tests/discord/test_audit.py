"""`/audit`: who may read the record, how its pages turn, what the file holds, what a forged press does."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from simcord import MemberActor

from bot.domain.moderation import AuditAction
from bot.domain.text import sentence_case
from bot.ui.audit import AuditFileId
from demo.fake_comfydeploy.deployments import PICTURE_ID, VARIATIONS_ID
from tests.discord.actors import delete, erase_data, exported, moderator, read, reviewer
from tests.discord.deployments import described
from tests.discord.forged import call, own_answer, press, strings
from tests.discord.moderated_server import ModeratedServer, set_rules
from tests.discord.rendered import buttons_of, csv_of, pinged, refusal, text_of
from tests.discord.settings_panel import Panel
from tests.harness import Harness
from tests.questions import AuditEntry, insert_audit

TITLED = described(picture=PICTURE_ID, fast=VARIATIONS_ID) + 'title = "Big *Picture*"\n'


def entry(bot: Harness, number: int = 0, **changes: Any) -> AuditEntry:
    return AuditEntry(
        **{
            "at": bot.clock() - timedelta(hours=number),
            "guild_id": bot.guild.id,
            "action": AuditAction.REQUEST,
            "actor_id": bot.alice.id,
            "subject_id": bot.alice.id,
            "deployment": f"picture{number}",
            **changes,
        }
    )


def numbers(text: str) -> list[int]:
    """Return the numbers of the deployments on a page, from the top."""
    return [int(part.split("**")[0]) for part in text.split("**picture")[1:]]


async def test_a_moderator_turns_the_pages_also_after_a_restart(bot: Harness, mona: MemberActor) -> None:
    await insert_audit(bot.database, *(entry(bot, number) for number in range(25)))
    asked = await mona.slash(bot.channel, "audit")
    assert numbers(text_of(bot, asked.response)) == list(range(10))
    message = asked.response
    await mona.click(message, label="Older")
    assert numbers(text_of(bot, message)) == list(range(10, 20))
    await bot.restart()
    await mona.click(message, label="Older")
    assert numbers(text_of(bot, message)) == list(range(20, 25))
    await mona.click(message, label="Newer")
    assert numbers(text_of(bot, message)) == list(range(10, 20))
    await mona.click(message, label="Newer")
    assert numbers(text_of(bot, message)) == list(range(10))
    assert pinged(bot) == []


async def test_a_moderator_reads_what_was_asked_where_it_is_and_what_was_set(bot: Harness) -> None:
    panel = Panel(bot)
    staff, review = bot.guild.create_role("Staff"), bot.guild.create_text_channel("review")
    message = await bot.made(prompt="a *red* fox")
    await panel.set("approval", review_channel_id=[review], reviewer_role_id=[staff])
    await panel.set("record", retention_days="30")
    asked = await panel.actor.slash(bot.channel, "audit")
    text = text_of(bot, asked.response)
    link = f"https://discord.com/channels/{bot.guild.id}/{bot.channel.id}/{message.id}"
    for line in (
        f"<@{bot.alice.id}> requested **Picture** · prompt “a \\*red\\* fox”\n",
        f" · [open]({link})",
        f"changed the settings · Review channel: none → {review.mention} "
        f"· Reviewer role: none → {staff.mention}\n",
        "changed the settings · Audit log entries are kept for: 365 days → 30 days\n",
    ):
        assert line in text
    _, rows = await csv_of(await panel.actor.click(asked.response, label="CSV file"))
    assert [(row["action"], row["prompt"], row["link"]) for row in rows[-2:]] == [
        ("Outcome", "a *red* fox", link),
        ("Request", "a *red* fox", link),
    ]
    assert [row["details"] for row in rows[:2]] == [
        "Audit log entries are kept for: 365 days → 30 days",
        "Review channel: none → #review; Reviewer role: none → Staff",
    ]
    await delete(bot, message)
    assert link not in await read(bot, panel.actor, "audit")
    assert pinged(bot) == [bot.alice.id]


async def test_a_request_that_was_never_approved_is_linked_by_its_card(server: ModeratedServer) -> None:
    asked = await server.ask()
    card = server.card
    await server.click(asked.response.message, "Cancel")
    await server.later(minutes=1)
    links = re.findall(r"discord\.com/channels/([\d/]+)", await read(server, server.mona, "audit"))
    assert set(links) == {f"{server.guild.id}/{card.channel.id}/{card.id}"}


async def test_every_filter_reaches_the_pages_and_the_file(bot: Harness, mona: MemberActor) -> None:
    wanted = {
        "subject_id": bot.bob.id,
        "actor_id": mona.id,
        "action": AuditAction.REJECT,
        "deployment": "flux",
        "outcome": "rejected",
    }
    lines = [entry(bot, number, **wanted) for number in range(24, 36)]
    changes: list[dict[str, Any]] = [
        {"deployment": "picture"},
        {"outcome": "failed"},
        {"subject_id": bot.alice.id},
        {"actor_id": bot.bob.id},
        {"action": AuditAction.EXPIRE},
    ]
    others = [entry(bot, 30, **wanted | change) for change in changes]
    await insert_audit(bot.database, *lines, *others, entry(bot, 23, **wanted), entry(bot, 50, **wanted))
    asked = await mona.slash(
        bot.channel,
        "audit",
        person=bot.bob,
        by=mona,
        deployment="flux",
        outcome="rejected",
        action="reject",
        since_days=2,
        until_days=1,
    )
    text = text_of(bot, asked.response)
    assert f"About <@{bot.bob.id}> · by <@{mona.id}> · flux · Rejection · Not approved" in text
    assert text.count("rejected **flux**") == 10
    await mona.click(asked.response, label="Older")
    assert text_of(bot, asked.response).count("rejected **flux**") == 1
    told, rows = await csv_of(await mona.click(asked.response, label="CSV file"))
    assert len(rows) == 11
    assert told == "11 lines, newest first, times in UTC."
    assert {row["deployment"] for row in rows} == {"flux"}


async def test_the_reviewer_role_reads_the_record_and_a_stranger_does_not(bot: Harness) -> None:
    rita = await reviewer(bot)
    await insert_audit(bot.database, entry(bot))
    assert "audit" not in bot.bob.available_commands(bot.channel)
    asked = await call(bot, rita, "audit")
    assert numbers(text_of(bot, asked.response))[-1:] == [0]
    refused = await call(bot, bot.bob, "audit")
    assert refusal(bot, refused) == "Only this server's moderators can do that."


async def test_a_button_checks_who_presses_it(bot: Harness, mona: MemberActor) -> None:
    await insert_audit(bot.database, *(entry(bot, number) for number in range(12)))
    asked = await mona.slash(bot.channel, "audit")
    for custom_id in buttons_of(bot, asked.response).values():
        refused = await press(bot, bot.bob, await own_answer(bot, bot.bob), custom_id)
        assert refusal(bot, refused) == "Only this server's moderators can do that."


async def test_forged_and_broken_buttons_get_a_sentence_and_no_other_servers_lines(bot: Harness) -> None:
    mona = moderator(bot)
    await insert_audit(bot.database, entry(bot, 1, guild_id=bot.guild.id + 1), entry(bot, 2))
    asked = await mona.slash(bot.channel, "audit")
    refused = await press(bot, mona, asked.response, f"audit:{1 << 63}:0::0:0:0:0:0")
    assert refusal(bot, refused) == "This list is out of date. Please open it again with its command."
    everything = AuditFileId(page=0).encode()
    _, rows = await csv_of(await press(bot, mona, asked.response, everything))
    assert [row["deployment"] for row in rows] == ["picture2"]


async def test_options_that_discord_did_not_offer_get_a_sentence(bot: Harness, mona: MemberActor) -> None:
    for name, value in (("outcome", "running"), ("outcome", "x"), ("action", "x")):
        refused = await call(bot, mona, "audit", strings(**{name: value}))
        assert refusal(bot, refused) == "This list is out of date. Please open it again with its command."


async def test_a_time_range_that_holds_nothing_is_refused(bot: Harness, mona: MemberActor) -> None:
    refused = await mona.slash(bot.channel, "audit", since_days=3, until_days=3)
    assert refusal(bot, refused).startswith("That range is empty: `since_days` is 3")


async def test_typed_text_shows_as_text_and_runs_in_no_spreadsheet(bot: Harness) -> None:
    mona = moderator(bot)
    evil = "@everyone **x** =1+1"
    await insert_audit(
        bot.database, entry(bot, action=AuditAction.BLOCK, deployment="=1+1", details={"reason": evil})
    )
    asked = await mona.slash(bot.channel, "audit")
    assert "\\@everyone \\*\\*x\\*\\* =1+1" in text_of(bot, asked.response)
    _, rows = await csv_of(await mona.click(asked.response, label="CSV file"))
    assert rows[0]["deployment"] == "'=1+1"
    assert pinged(bot) == []


async def test_a_typed_text_is_no_formula_where_semicolons_separate(bot: Harness) -> None:
    mona = moderator(bot)
    evil = '";=HYPERLINK("http://evil.test");\n=1+1'
    blocked = entry(bot, action=AuditAction.BLOCK, deployment=evil, details={"reason": evil})
    await insert_audit(bot.database, blocked)
    asked = await mona.slash(bot.channel, "audit")
    _, rows = await csv_of(await mona.click(asked.response, label="CSV file"), separator=";")
    cells = [cell for row in rows for cell in [*row.values(), *row.get(None, [])] if isinstance(cell, str)]
    assert any("HYPERLINK" in cell for cell in cells)
    assert [cell for cell in cells if cell.lstrip(' "').startswith(("=", "+", "-", "@"))] == []


@pytest.mark.bot(deployments=TITLED)
async def test_a_deployment_is_found_by_its_title_or_name(bot: Harness, mona: MemberActor) -> None:
    await insert_audit(bot.database, entry(bot, 1, deployment="picture"), entry(bot, 2, deployment="fast"))
    gone = entry(bot, 3, deployment="gone")
    await insert_audit(bot.database, gone)
    for typed, shown in (
        ("picture", "Picture"),
        ("PICTURE", "Picture"),
        ("big *picture*", "Big \\*Picture\\*"),
        (" Fast ", "Big \\*Picture\\*"),
        ("gone", "gone"),
    ):
        log = await read(bot, mona, "audit", deployment=typed)
        assert f"\n-# {sentence_case(shown)}\n<@{bot.alice.id}> requested **{shown}**\n" in log, typed
        assert log.count("> requested ") == 1, typed
    assert "Nothing was found." in await read(bot, mona, "audit", deployment="pic")
    refused = await mona.slash(bot.channel, "audit", deployment="*" * 33)
    assert refusal(bot, refused).endswith("**. Please choose one from the list.")


@pytest.mark.bot(deployments=TITLED)
async def test_deployments_are_suggested_by_their_titles(bot: Harness, mona: MemberActor) -> None:
    picture, fast = ("Picture", "picture"), ("Big *Picture*", "fast")
    for typed, expected in (("PIC", [picture, fast]), ("big", [fast]), ("FAS", [fast]), ("nothing", [])):
        choices = await mona.autocomplete(bot.channel, "audit", "deployment", typed)
        assert [(choice["name"], choice["value"]) for choice in choices] == expected


BADGERS = {"words": {"blocked": ["badger*"]}, "private_results": True}


async def test_a_refused_prompt_is_behind_a_spoiler(bot: Harness, mona: MemberActor) -> None:
    await set_rules(bot, **BADGERS)
    prompt = f"two ||badgers|| *{'and more ' * 60}"
    assert "has a word that this server blocks" in refusal(bot, await bot.ask(prompt=prompt))
    asked = await mona.slash(bot.channel, "audit")
    log = text_of(bot, asked.response)
    assert "blocked word `badger*` · prompt ||two \\|\\|badgers\\|\\| \\*and more" in log
    assert log.count("and more") < 10
    _, (row, *_others) = await csv_of(await mona.click(asked.response, label="CSV file"))
    assert (row["action"], row["prompt"]) == ("Refused at once", f"{prompt[:299]}…")
    assert "badgers" not in row["details"]


async def test_a_refused_private_prompt_is_not_kept(bot: Harness) -> None:
    await set_rules(bot, **BADGERS)
    refused = await bot.ask(prompt="two badgers", private=True)
    assert "has a word that this server blocks" in refusal(bot, refused)
    (line,) = await bot.audit()
    told = {"rule": "The bot's own list", "word": "badger*", "option": "prompt", "result": "private"}
    assert line.details == told


async def test_a_refused_prompt_is_in_the_export_and_goes_with_the_data(bot: Harness) -> None:
    await set_rules(bot, **BADGERS, retention_days=2)
    for person in (bot.alice, bot.bob):
        await bot.ask(person, prompt="two badgers")
    (own,) = (await exported(bot, bot.alice))["audit"]
    assert own["details"] == {"option": "prompt", "prompt": "two badgers"}
    await erase_data(bot)
    (line,) = [line for line in await bot.audit() if line.actor_id == bot.alice.id and line.guild_id]
    assert "prompt" not in line.details
    assert line.details["word"] == "badger*"
    (theirs,) = [line for line in await bot.audit() if line.actor_id == bot.bob.id]
    assert theirs.details["prompt"] == "two badgers"
    await bot.later(days=1, times=3)
    assert [line for line in await bot.audit() if line.guild_id] == []
