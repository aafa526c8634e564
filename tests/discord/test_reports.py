"""Report: a card for the moderators with Delete, Block and Dismiss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest

from tests.contract.store.stored import record
from tests.discord.court import NO_APPROVAL, Court, court, mark_adult, ruled
from tests.discord.crowd import moderator
from tests.discord.places import ADULT
from tests.discord.seen import buttons_of, hidden, pinged, press, refusal, requests_to, text_of, texts
from tests.stage import stage

NOTED = "Thank you. The moderators will look at it."


async def reported(c: Court) -> Any:
    """Alice's result, reported by Bob."""
    await c.ask()
    (message,) = c.s.messages()
    done = await c.s.bob.click(message, label="Report")
    assert done.response.content == NOTED
    assert done.ephemeral
    await c.s.play()
    return message


async def test_a_report_leads_moderators_to_the_result(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        message = await reported(c)
        card = text_of(c.s, c.card)
        assert "was reported" in card
        assert f"<@{c.s.alice.id}>" in card
        assert "> a fox" in card
        assert f"/{c.s.guild.id}/{c.s.channel.id}/{message.id}" in card
        assert list(buttons_of(c.s, c.card)) == ["Delete", "Block", "Dismiss"]
        assert f"Reported by <@{c.s.bob.id}>" in card
        assert pinged(c.s) == [c.s.alice.id]
        (copy,) = c.card.attachments
        (original,) = message.attachments
        assert await copy.read() == await original.read()
        assert hidden(c.s, c.card) == [True]
        line = (await record(c.s.app.store))[-1]
        assert (line.action, line.actor_id, line.subject_id) == ("report", c.s.bob.id, c.s.alice.id)


def assert_closed(c: Court, verdict: str) -> None:
    """The card says what was decided; its buttons and its copies of the result are gone."""
    assert verdict in c.verdict
    assert buttons_of(c.s, c.card) == {}
    assert c.card.attachments == []


async def test_a_moderators_deletion_under_the_result_empties_the_card(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        message = await reported(c)
        await c.mona.click(message, label="Delete")
        await c.s.restart()
        await c.s.play()
        assert texts(c.s) == []
        assert_closed(c, f"Deleted by <@{c.mona.id}>.")


async def test_whose_result_was_reported_can_not_take_the_report_away(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        message = await reported(c)
        await c.s.alice.click(message, label="Delete")
        await c.s.play()
        assert texts(c.s) == []
        assert len(c.card.attachments) == 1
        assert list(buttons_of(c.s, c.card)) == ["Delete", "Block", "Dismiss"]
        await c.decide("Delete")
        assert_closed(c, "It had been deleted before.")
        assert [line.actor_id for line in await record(c.s.app.store) if line.action == "delete"] == [
            c.s.alice.id
        ]


async def test_an_age_restricted_result_is_linked_and_not_shown(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL, deployments=ADULT) as c:
        mark_adult(c.s, c.s.channel)
        await reported(c)
        assert "It is age-restricted, so it is not shown here." in c.verdict
        assert "[Open it](" in c.verdict
        assert c.card.attachments == []


@pytest.mark.parametrize(("status", "code"), [(413, 40005), (403, 50013)])
async def test_where_files_can_not_be_attached_the_card_links_to_the_result(
    tmp_path: Path, status: int, code: int
) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        await c.ask()
        (message,) = c.s.messages()
        c.s.env.inject_error("POST", f"/channels/{c.review.id}/messages", status=status, code=code, times=1)
        await c.s.bob.click(message, label="Report")
        await c.s.play()
        assert f"/{c.s.guild.id}/{c.s.channel.id}/{message.id}" in c.verdict
        assert c.card.attachments == []
        assert list(buttons_of(c.s, c.card)) == ["Delete", "Block", "Dismiss"]


async def test_a_report_card_is_posted_once_although_discord_failed_in_between(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        await c.ask()
        await ruled(c.s, approval={"review_channel_id": c.s.channel.id})
        c.s.env.inject_error("POST", f"/channels/{c.s.channel.id}/messages", status=503, times=2)
        await c.s.bob.click(c.s.messages()[0], label="Report")
        for _ in range(3):
            await c.s.later(minutes=2)
        result, card = c.s.messages()
        assert "was reported" in text_of(c.s, card)
        assert len(card.attachments) == len(result.attachments) == 1


async def test_several_reports_of_one_result_make_one_card(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        message = await reported(c)
        again = await c.mona.click(message, label="Report")
        assert again.response.content == NOTED
        await c.s.play()
        assert len(c.cards()) == 1


async def test_delete_on_the_card_takes_the_result_away(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        await reported(c)
        await c.s.restart()
        await c.decide("Delete")
        assert texts(c.s) == []
        assert_closed(c, f"Deleted by <@{c.mona.id}>.")


async def test_dismiss_leaves_the_result_and_closes_the_card(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        await reported(c)
        await c.decide("Dismiss")
        assert len(texts(c.s)) == 1
        assert_closed(c, f"Dismissed by <@{c.mona.id}>.")
        assert (await record(c.s.app.store))[-1].action == "dismiss"


async def test_who_dismisses_what_somebody_else_has_dismissed_is_told_so(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        await reported(c)
        otto, pressed = moderator(c.s, "otto"), buttons_of(c.s, c.card)["Dismiss"]
        await c.decide("Dismiss")
        late = await press(c.s, otto, c.card, pressed)
        assert refusal(c.s, late) == "This report has already been looked at."
        assert_closed(c, f"Dismissed by <@{c.mona.id}>.")
        assert [line.action for line in await record(c.s.app.store)].count("dismiss") == 1


async def test_a_report_after_a_dismissal_is_looked_at_again(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        message = await reported(c)
        await c.decide("Dismiss")
        carl = c.s.guild.add_member(c.s.env.create_user("carl"))
        assert (await carl.click(message, label="Report")).response.content == NOTED
        await c.s.play()
        first, second = c.cards()
        assert buttons_of(c.s, first) == {}
        assert list(buttons_of(c.s, second)) == ["Delete", "Block", "Dismiss"]
        assert len(second.attachments) == 1
        assert f"Reported by <@{c.s.bob.id}>, <@{carl.id}>" in c.verdict
        # Discord answers a nonce of the last minutes with the message that it was sent with.
        posts = requests_to(c.s, "POST", f"/channels/{c.review.id}/messages")
        assert len({each.json["nonce"] for each in posts}) == 2
        await c.decide("Delete")
        assert texts(c.s) == []
        assert_closed(c, f"Deleted by <@{c.mona.id}>.")


async def test_who_reports_the_same_again_is_heard_once_and_told_that_it_was_looked_at(
    tmp_path: Path,
) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        message = await reported(c)
        for _ in range(3):
            assert (await c.s.bob.click(message, label="Report")).response.content == NOTED
        await c.decide("Dismiss")
        again = await c.s.bob.click(message, label="Report")
        assert again.response.content.startswith("The moderators have already looked at your report")
        await c.s.play()
        assert len(c.cards()) == 1
        assert [line.action for line in await record(c.s.app.store)].count("report") == 1


async def test_block_on_the_card_is_about_who_made_it(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        await reported(c)
        shown = await c.mona.click(c.card, label="Block")
        await c.mona.submit_modal(shown, {"reason": "that picture"})
        assert refusal(c.s, await c.ask()).endswith("from generating on this server: that picture")
        assert not (await c.ask(c.s.bob)).ephemeral


async def test_a_stranger_can_not_use_the_card(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        await reported(c)
        for label in ("Delete", "Block", "Dismiss"):
            refused = await c.s.bob.click(c.card, label=label)
            assert refusal(c.s, refused) == "Only this server's moderators can do that."
        assert len(texts(c.s)) == 1


@pytest.mark.parametrize("review", ["none", "deleted", "closed"])
async def test_where_no_card_can_be_posted_the_reporter_is_told(tmp_path: Path, review: str) -> None:
    async with stage(tmp_path) as s:
        overwrites: Any = {s.app.bot.user: discord.PermissionOverwrite(send_messages=False)}
        closed = s.guild.create_text_channel("closed", overwrites=overwrites)
        channel = {"none": None, "deleted": 77, "closed": closed.id}[review]
        await ruled(s, approval={"review_channel_id": channel})
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        refused = await s.bob.click(s.messages()[0], label="Report")
        assert refusal(s, refused).endswith("Please tell a moderator directly.")
        assert [line.action for line in await record(s.app.store)][-1] == "outcome"


async def test_a_deleted_result_is_not_reported(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        await c.ask()
        (message,) = c.s.messages()
        custom_id = buttons_of(c.s, message)["Report"]
        await c.s.alice.click(message, label="Delete")
        refused = await press(c.s, c.s.bob, message, custom_id)
        assert refusal(c.s, refused) == "It has already been deleted."
        await c.s.play()
        assert c.cards() == []
