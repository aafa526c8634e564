"""Report: a card for the moderators with Delete, Block and Dismiss."""

from __future__ import annotations

from itertools import product
from typing import Any

import discord
import pytest

from bot.domain.moderation import NOTE_LENGTH, REPORT_REASONS
from tests.discord.actors import (
    delete,
    erase_data,
    exported,
    member,
    press_delete,
    read,
    report,
    report_here,
)
from tests.discord.batches import ask
from tests.discord.deployments import ADULT
from tests.discord.forged import own_answer, press, send_form
from tests.discord.moderated_server import (
    NO_APPROVAL,
    ModeratedServer,
    mark_adult,
    set_rules,
)
from tests.discord.rendered import buttons_of, fields, hidden, pinged, refusal, requests_to, text_of, texts
from tests.harness import Harness
from tests.sampling import every_nth

pytestmark = pytest.mark.bot(rules=NO_APPROVAL)

REPORT_BUTTONS = ["Delete", "Block", "Dismiss"]
NOTED = "Thank you. The moderators will look at it."


async def reported(server: ModeratedServer) -> Any:
    """Return a result of Alice's that Bob has reported."""
    message = await server.made()
    done = await report(message, server.bob)
    assert done.response.content == NOTED
    assert done.ephemeral
    await server.play()
    return message


async def test_a_report_leads_moderators_to_the_result(server: ModeratedServer) -> None:
    message = await reported(server)
    card = text_of(server, server.card)
    assert "Reported:" in card
    assert f"<@{server.alice.id}>" in card
    assert "> a fox" in card
    assert f"/{server.guild.id}/{server.channel.id}/{message.id}" in card
    assert list(buttons_of(server, server.card)) == REPORT_BUTTONS
    assert f"Reported by <@{server.bob.id}>, against this server's rules\n" in card
    assert pinged(server) == [server.alice.id]
    (copy,) = server.card.attachments
    (original,) = message.attachments
    assert await copy.read() == await original.read()
    assert hidden(server, server.card) == [True]
    line = (await server.audit())[-1]
    assert (line.action, line.actor_id, line.subject_id) == ("report", server.bob.id, server.alice.id)


def by(decision: str, server: ModeratedServer) -> str:
    """Return the line of a card that Mona has just closed, in the form of `Approved by` and `Rejected by`."""
    return f"{decision} by <@{server.mona.id}> <t:{int(server.clock().timestamp())}:R>"


def assert_closed(server: ModeratedServer, verdict: str) -> None:
    """Assert that the card shows the decision without buttons and copies of the result."""
    assert verdict in server.verdict
    assert buttons_of(server, server.card) == {}
    assert server.card.attachments == []


async def test_a_moderators_deletion_under_the_result_empties_the_card(server: ModeratedServer) -> None:
    message = await reported(server)
    await press_delete(server, message, server.mona)
    await server.restart()
    await server.play()
    assert texts(server) == []
    assert_closed(server, by("Deleted", server))


async def test_the_requester_can_not_take_the_report_away(server: ModeratedServer) -> None:
    message = await reported(server)
    await delete(server, message)
    assert texts(server) == []
    assert len(server.card.attachments) == 1
    assert list(buttons_of(server, server.card)) == REPORT_BUTTONS
    await server.decide("Delete")
    assert_closed(server, "It had already been deleted.")
    deleted = [line.actor_id for line in await server.audit() if line.action == "delete"]
    assert deleted == [server.alice.id]


async def test_the_card_of_a_result_that_is_gone_links_to_nothing(server: ModeratedServer) -> None:
    """The requester deletes the result before the card is posted."""
    message = await server.made()
    await report(message, server.bob)
    await delete(server, message)
    assert "Reported:" in server.verdict
    assert "[Open it](" not in server.verdict


@pytest.mark.parametrize("count", [1, 2])
async def test_a_result_can_be_reported_after_its_requester_erased_their_data(
    server: ModeratedServer, count: int
) -> None:
    await ask(server, count=count)
    (message,) = server.messages()
    await erase_data(server)
    if count > 1:
        message = (await server.bob.click(message, label="2")).response.message
    behind = "Report" not in buttons_of(server, message)
    done = await (report if behind else report_here)(message, server.bob)
    assert done.response.content == NOTED
    await server.play()
    assert list(buttons_of(server, server.card)) == REPORT_BUTTONS
    refused = await server.bob.click(message, label="Edit")
    assert refusal(server, refused).startswith(
        "The data of this request was deleted, so it can't be repeated."
    )


@pytest.mark.bot(deployments=ADULT)
async def test_an_age_restricted_result_is_linked_and_not_shown(server: ModeratedServer) -> None:
    mark_adult(server, server.channel)
    await reported(server)
    assert "It is age-restricted, so it is not shown here." in server.verdict
    assert "[Open it](" in server.verdict
    assert server.card.attachments == []


@pytest.mark.parametrize(
    ("review_marked", "still_marked"), every_nth(list(product([False, True], [False, True])), 3)
)
async def test_a_result_of_an_age_restricted_channel_is_shown_only_in_another(
    server: ModeratedServer, review_marked: bool, still_marked: bool
) -> None:
    mark_adult(server, server.channel)
    mark_adult(server, server.review, marked=review_marked)
    message = await server.made()
    mark_adult(server, server.channel, marked=still_marked)
    await report(message, server.bob)
    await server.play()
    assert len(server.card.attachments) == review_marked
    assert ("It is age-restricted, so it is not shown here." in server.verdict) is not review_marked


@pytest.mark.parametrize(("status", "code"), [(413, 40005), (403, 50013)])
async def test_without_files_the_card_links_to_the_result(
    server: ModeratedServer, status: int, code: int
) -> None:
    message = await server.made()
    path = f"/channels/{server.review.id}/messages"
    server.env.inject_error("POST", path, status=status, code=code, times=1)
    await report(message, server.bob)
    await server.play()
    assert f"/{server.guild.id}/{server.channel.id}/{message.id}" in server.verdict
    assert server.card.attachments == []
    assert list(buttons_of(server, server.card)) == REPORT_BUTTONS


async def test_dismiss_leaves_the_result_and_closes_the_card(server: ModeratedServer) -> None:
    await reported(server)
    await server.decide("Dismiss")
    assert len(texts(server)) == 1
    assert_closed(server, by("Dismissed", server))
    assert (await server.audit())[-1].action == "dismiss"


async def test_a_report_after_a_dismissal_is_looked_at_again(server: ModeratedServer) -> None:
    message = await reported(server)
    await server.decide("Dismiss")
    carl = member(server, "carl")
    assert (await report(message, carl)).response.content == NOTED
    await server.play()
    first, second = server.cards()
    assert buttons_of(server, first) == {}
    assert list(buttons_of(server, second)) == REPORT_BUTTONS
    assert len(second.attachments) == 1
    for person in (server.bob, carl):
        assert f"Reported by <@{person.id}>, against this server's rules" in server.verdict
    # Discord answers a nonce of the last minutes with the message that it was sent with.
    posts = requests_to(server, "POST", f"/channels/{server.review.id}/messages")
    assert len({each.json["nonce"] for each in posts}) == 2
    await server.restart()
    await server.decide("Delete")
    assert texts(server) == []
    assert_closed(server, by("Deleted", server))


async def test_the_form_asks_for_a_reason_and_a_note_which_the_card_shows(server: ModeratedServer) -> None:
    message = await server.made()
    more = await server.bob.click(message, label="⋯ More")
    shown = await server.bob.click(more.response.message, label="Report")
    form = fields(shown.modal)
    assert [each["value"] for each in form["reason"]["options"]] == [*REPORT_REASONS]
    assert (form["reason"]["required"], form["note"]["required"]) == (True, False)
    assert form["note"]["max_length"] == NOTE_LENGTH
    await server.restart()
    done = await server.bob.submit_modal(shown, {"reason": "harassment", "note": " That is *me* @everyone\n"})
    assert done.response.content == NOTED
    await server.play()
    told = f"Reported by <@{server.bob.id}>, hurts or harasses somebody: “That is \\*me\\* \\@everyone”"
    assert told in server.verdict
    line = (await server.audit())[-1]
    assert line.details == {"reason": "Hurts or harasses somebody", "note": "That is *me* @everyone"}
    log = await read(server, server.mona, "audit")
    assert "reason: Hurts or harasses somebody · note: That is \\*me\\* \\@everyone" in log


async def test_a_second_report_is_added_to_the_open_card(server: ModeratedServer) -> None:
    message = await reported(server)
    (before,) = server.cards()
    posts = requests_to(server, "POST", f"/channels/{server.review.id}/messages")
    carl = member(server, "carl")
    await report(message, carl, reason="sexual", note="look closer")
    await server.play()
    (card,) = server.cards()
    assert card.id == before.id
    assert requests_to(server, "POST", f"/channels/{server.review.id}/messages") == posts
    assert f"Reported by <@{server.bob.id}>, against this server's rules" in server.verdict
    assert f"Reported by <@{carl.id}>, sexual or violent: “look closer”" in server.verdict
    assert list(buttons_of(server, card)) == REPORT_BUTTONS
    assert len(card.attachments) == 1
    assert hidden(server, card) == [True]


async def test_a_forged_reason_and_a_note_that_is_too_long_reach_nobody(server: ModeratedServer) -> None:
    message = await server.made()
    form = f"run:{(await server.run()).key}:report"
    refused = await send_form(server, server.bob, message, form, reason="x", note="y")
    assert refusal(server, refused).startswith("This list is out of date.")
    assert server.cards() == []
    await send_form(server, server.bob, message, form, reason="other", note="n" * 1000)
    await server.play()
    assert f"“{'n' * (NOTE_LENGTH - 1)}…”" in server.verdict


async def reports_in_export(server: ModeratedServer, person: Any) -> list[Any]:
    return [line for line in (await exported(server, person))["audit"] if line["action"] == "report"]


async def test_only_moderators_learn_who_reported(server: ModeratedServer) -> None:
    """The export of the person whose result was reported names neither the reporter nor the note."""
    message = await server.made()
    await report(message, server.bob, note="it is bob's face")
    await server.play()
    about_her = [
        line for line in (await exported(server, server.alice))["audit"] if line["action"] == "report"
    ]
    (line,) = about_her
    assert (line["by"], line["details"]) == ("somebody", {"reason": "Against this server's rules"})
    assert str(server.bob.id) not in str(line)
    (own,) = await reports_in_export(server, server.bob)
    assert own["details"] == {"reason": "Against this server's rules", "note": "it is bob's face"}
    assert str(server.alice.id) not in str(own)


async def test_a_reporter_can_delete_the_note(server: ModeratedServer) -> None:
    message = await server.made()
    await report(message, server.bob, note="it is bob's face")
    await server.play()
    await erase_data(server, server.bob)
    (line,) = [line for line in await server.audit() if line.action == "report"]
    assert line.details == {"reason": "Against this server's rules"}


async def test_a_repeated_report_is_noted_once(server: ModeratedServer) -> None:
    message = await reported(server)
    for _ in range(3):
        assert (await report(message, server.bob)).response.content == NOTED
    await server.decide("Dismiss")
    again = await report(message, server.bob)
    assert again.response.content.startswith("The moderators have seen your report")
    await server.play()
    assert len(server.cards()) == 1
    assert [line.action for line in await server.audit()].count("report") == 1


async def test_a_stranger_can_not_use_the_card(server: ModeratedServer) -> None:
    await reported(server)
    for label in REPORT_BUTTONS:
        refused = await server.bob.click(server.card, label=label)
        assert refusal(server, refused) == "Only this server's moderators can do that."
    assert len(texts(server)) == 1


@pytest.mark.parametrize("review", ["none", "deleted", "closed"])
async def test_a_reporter_is_told_that_no_card_can_be_posted(bot: Harness, review: str) -> None:
    overwrites: Any = {bot.app.bot.user: discord.PermissionOverwrite(send_messages=False)}
    closed = bot.guild.create_text_channel("closed", overwrites=overwrites)
    channel = {"none": None, "deleted": 77, "closed": closed.id}[review]
    await set_rules(bot, approval={"review_channel_id": channel})
    await bot.ask()
    key = (await bot.run()).key
    refused = await press(bot, bot.bob, bot.messages()[0], f"run:{key}:report")
    assert refusal(bot, refused).endswith("Please tell a moderator directly.")
    assert [line.action for line in await bot.audit()][-1] == "outcome"


async def test_a_deleted_result_is_not_reported(server: ModeratedServer) -> None:
    message = await server.made()
    custom_id = f"run:{(await server.run()).key}:report"
    own = await own_answer(server, server.bob)
    await press_delete(server, message, server.alice)
    refused = await press(server, server.bob, own, custom_id)
    assert refusal(server, refused) == "This has already been deleted."
    await server.play()
    assert server.cards() == []


async def test_report_is_offered_only_where_it_reaches_somebody(server: ModeratedServer) -> None:
    await server.ask()
    await set_rules(server)
    await server.ask()
    await server.ask(count=2)
    messages = server.messages()
    for message in messages:
        more = await server.bob.click(message, label="⋯ More")
        assert more.ephemeral
        assert "> a fox" in text_of(server, more.response)
        assert "Report" not in buttons_of(server, more.response)
    await set_rules(server, approval={"review_channel_id": server.review.id})
    for message in messages:
        more = await server.bob.click(message, label="⋯ More")
        assert list(buttons_of(server, more.response))[-2:] == ["Details", "Report"]
    server.env.backend.delete_channel(server.review.id)
    await server.env.settle()
    for message in messages:
        more = await server.bob.click(message, label="⋯ More")
        assert "Report" not in buttons_of(server, more.response)


async def test_a_batch_from_before_the_review_channel_is_reported_as_a_whole(
    server: ModeratedServer,
) -> None:
    await set_rules(server)
    batch = await server.made(count=2)
    await set_rules(server, approval={"review_channel_id": server.review.id})
    one = await server.bob.click(batch, label="2")
    await report_here(one.response.message, server.bob)
    await server.play()
    assert len(server.card.attachments) == 2
    await server.decide("Delete")
    assert server.messages() == []


async def test_a_report_card_is_posted_once_after_server_errors(server: ModeratedServer) -> None:
    await server.ask()
    await set_rules(server, approval={"review_channel_id": server.channel.id})
    server.env.inject_error("POST", f"/channels/{server.channel.id}/messages", status=503, times=2)
    await report(server.messages()[0], server.bob)
    await server.later(minutes=2, times=3)
    result, card = server.messages()
    assert "Reported:" in text_of(server, card)
    assert len(card.attachments) == len(result.attachments) == 1
