"""Requests that need approval: the card, the decision and the outcome, also over restarts."""

from __future__ import annotations

import pytest

from bot.domain.runs import RunState
from tests.discord.actors import member, open_details, reviewer
from tests.discord.forged import press
from tests.discord.moderated_server import ModeratedServer, set_rules
from tests.discord.rendered import buttons_of, pinged, refusal, text_of, texts
from tests.harness import Harness
from tests.questions import rules, unsettled

SECRETS = ("a fox", "seed 7", "h100", "ink")


def nothing_seen(bot: Harness) -> None:
    """Check that neither the channel nor any call about it tells what was requested."""
    for shown in texts(bot):
        assert not any(secret in shown.lower() for secret in SECRETS), shown
    for request in bot.env.http_requests:
        if f"/channels/{bot.channel.id}/" in request.path:
            assert not any(secret in str(request.json).lower() for secret in SECRETS)


async def test_a_request_waits_unseen_and_its_result_is_posted_once_approved(server: ModeratedServer) -> None:
    asked = await server.ask(style="ink", gpu="H100")
    assert asked.ephemeral
    assert "Waiting for approval" in text_of(server, asked.response)
    assert "> a fox" in text_of(server, asked.response)
    assert "ink" not in text_of(server, asked.response)
    assert texts(server) == []
    card = text_of(server, server.card)
    for told in (f"<@{server.alice.id}>", "account created", "joined", "a fox", "ink", "GPU H100", "60 GPU"):
        assert told in card
    assert list(buttons_of(server, server.card)) == ["Approve", "Reject", "Block"]
    nothing_seen(server)
    assert server.calls == []
    await server.restart()
    await server.decide("Approve")
    assert f"Approved by <@{server.mona.id}>" in server.verdict
    assert buttons_of(server, server.card) == {}
    (result,) = texts(server)
    assert "> a fox" in result
    assert pinged(server) == [server.alice.id]
    assert (await server.run()).state is RunState.SUCCEEDED
    actions = [line.action for line in await server.audit()]
    assert actions == ["request", "approve", "outcome"]


@pytest.mark.parametrize("is_on", [False, True])
async def test_a_new_card_pings_the_reviewers_if_the_server_wants_it(
    server: ModeratedServer, is_on: bool
) -> None:
    await reviewer(server)
    found = await rules(server.database, server.guild.id)
    role = found.reviewer_role_id
    await set_rules(server, **found.model_copy(update={"ping_reviewers": is_on}).model_dump(mode="json"))
    await server.ask()
    assert pinged(server, "roles") == ([role] if is_on else [])
    assert (f"<@&{role}>" in text_of(server, server.card)) is is_on
    await server.decide("Approve")
    assert pinged(server, "roles") == ([role] if is_on else [])


async def test_moderators_alone_read_a_prompt_too_long_for_the_card(server: ModeratedServer) -> None:
    await server.ask(prompt=f"a fox {'and a fox ' * 100}in the dark")
    assert "in the dark" not in server.verdict
    whole = await server.decide("Details")
    assert whole.ephemeral
    told = text_of(server, whole.response)
    assert told.count("in the dark") == 1, "there is no command with the prompt once more"
    assert "copy this" not in told
    hidden = await server.decide("Details", server.bob)
    assert "in the dark" not in text_of(server, hidden.response)
    await server.decide("Approve")
    assert (await server.run()).state is RunState.SUCCEEDED
    shown = await open_details(server.messages()[0], server.bob)
    assert "copy this" in text_of(server, shown.response)


async def test_only_the_requester_is_told_the_reason_of_a_rejection(server: ModeratedServer) -> None:
    await server.ask(style="ink")
    server.clock.move(hours=3)  # the interaction's token is long gone
    await server.reject("Not @everyone, please")
    assert texts(server) == []
    nothing_seen(server)
    (letter,) = server.letters()
    assert "Your request for **Picture** was not approved." in letter
    link = f"https://discord.com/channels/{server.guild.id}/{server.channel.id}"
    assert f"-# [Open the channel]({link})" in letter
    assert "<#" not in letter
    assert "The moderator's reason: Not \\@everyone, please" in letter
    assert f"Rejected by <@{server.mona.id}>" in server.verdict
    assert "> Not \\@everyone, please" in server.verdict
    assert buttons_of(server, server.card) == {}
    assert server.calls == []
    assert [line.action for line in await server.audit()][-2:] == ["outcome", "reject"]


async def test_without_a_reason_none_is_told(server: ModeratedServer) -> None:
    await server.ask()
    await server.reject("")
    assert [("reason" in letter) for letter in server.letters()] == [False]


async def test_a_rejection_removes_the_answer_that_said_waiting(server: ModeratedServer) -> None:
    asked = await server.ask()
    await server.reject("no")
    assert asked.response is None
    assert (texts(server), len(server.letters())) == ([], 1)
    assert (await unsettled(server.database)).messages == 0


async def test_a_letter_stays_as_it_is_while_the_answer_cannot_be_removed(server: ModeratedServer) -> None:
    await server.ask()
    server.env.inject_error("DELETE", "*", status=503, times=2)
    await server.reject("Not here, please")
    first = server.letters()
    await server.later(minutes=2, times=3)
    assert "The moderator's reason: Not here, please" in first[0]
    assert server.letters() == first
    assert (texts(server), (await unsettled(server.database)).messages) == ([], 0)


def refuse_letters(server: ModeratedServer) -> None:
    """Let Discord refuse every direct message to Alice."""
    dm = server.alice.user.dm_channel
    server.env.inject_error("POST", f"/channels/{dm.id}/messages", status=403, code=50007, times=None)


async def test_without_direct_messages_a_rejection_is_told_in_the_channel(server: ModeratedServer) -> None:
    await server.ask(style="ink")
    refuse_letters(server)
    await server.reject("Not here, please")
    (outcome,) = texts(server)
    assert "Not approved: Picture" in outcome
    assert "A moderator didn't approve this request." in outcome
    assert "please" not in outcome
    assert pinged(server)[-1] == server.alice.id
    (message,) = server.messages()
    assert list(buttons_of(server, message)) == ["Edit", "⋯ More"]
    nothing_seen(server)
    assert server.letters() == []
    assert (await unsettled(server.database)).messages == 0
    # Behind More, the requester and moderators read the reason.
    for person in (server.alice, server.mona):
        told = text_of(server, (await open_details(message, person)).response)
        assert "The moderator's reason: Not here, please" in told
    refused = await server.bob.click(message, label="⋯ More")
    assert refusal(server, refused).startswith("Only the requester and the moderators can see this")


async def test_a_private_rejection_is_told_in_the_answer_if_no_letter_can_be_sent(
    server: ModeratedServer,
) -> None:
    found = await rules(server.database, server.guild.id)
    await set_rules(server, **found.model_copy(update={"private_results": True}).model_dump(mode="json"))
    asked = await server.ask(private=True)
    refuse_letters(server)
    await server.reject("no")
    assert "A moderator didn't approve this request." in text_of(server, asked.response)
    assert (texts(server), server.letters()) == ([], [])


async def test_of_two_moderators_one_wins_and_the_other_is_told_who(server: ModeratedServer) -> None:
    rita = await reviewer(server)
    await server.ask()
    ids = buttons_of(server, server.card)
    shown = await rita.click(server.card, label="Reject")
    await server.restart()
    await server.decide("Approve")
    told = f"<@{server.mona.id}> has already decided this."
    assert refusal(server, await rita.submit_modal(shown, {"reason": "late"})) == told
    for label in ("Approve", "Reject"):
        assert refusal(server, await press(server, rita, server.card, ids[label])) == told
    await server.play()
    assert f"Approved by <@{server.mona.id}>" in server.verdict
    assert server.letters() == []
    assert len(server.calls) == 1


async def test_the_reviewer_role_decides_and_a_stranger_does_not(server: ModeratedServer) -> None:
    rita = await reviewer(server)
    await server.ask()
    for label in ("Approve", "Reject", "Block"):
        refused = await server.bob.click(server.card, label=label)
        assert refusal(server, refused) == "Only this server's moderators can do that."
    assert (await server.run()).state is RunState.AWAITING_APPROVAL
    await server.decide("Approve", rita)
    assert f"Approved by <@{rita.id}>" in server.verdict
    assert len(server.calls) == 1


async def test_nobody_decides_about_their_own_request(server: ModeratedServer) -> None:
    await server.ask(server.mona)
    for label in ("Approve", "Reject"):
        refused = await server.mona.click(server.card, label=label)
        assert refusal(server, refused) == "You can't decide on your own request."
    await server.decide("Approve", await reviewer(server))
    assert len(server.calls) == 1


@pytest.mark.bot(rules={"approval": {"hours": 5}})
async def test_a_request_that_nobody_decides_about_expires(server: ModeratedServer) -> None:
    await server.ask(style="ink")
    ids = buttons_of(server, server.card)
    await server.later(hours=4.9)
    assert (await server.run()).state is RunState.AWAITING_APPROVAL
    await server.restart()
    await server.later(hours=0.2)
    (outcome,) = texts(server)
    assert "No moderator decided in time." in outcome
    assert pinged(server) == [server.alice.id]
    nothing_seen(server)
    assert "Nobody decided in time." in server.verdict
    assert buttons_of(server, server.card) == {}
    for action in ("Approve", "Reject"):
        refused = await press(server, server.mona, server.card, ids[action])
        assert refusal(server, refused) == "This has already been decided."
    assert server.calls == []


@pytest.mark.parametrize("minutes", [0, 60], ids=["answerable", "after the interaction"])
async def test_a_requester_takes_a_waiting_request_back(server: ModeratedServer, minutes: int) -> None:
    asked = await server.ask()
    await server.later(minutes=minutes)
    await server.click(asked.response.message, "Cancel")
    assert "Cancelled: " in text_of(server, asked.response)
    assert "No GPU time was used" in text_of(server, asked.response)
    assert (texts(server), server.letters()) == ([], [])
    assert "The requester cancelled it." in server.verdict
    assert buttons_of(server, server.card) == {}


async def test_a_trusted_role_need_not_wait(server: ModeratedServer) -> None:
    trusted = server.guild.create_role("trusted")
    pat = member(server, "pat", trusted)
    approval = {"mode": "without_roles", "exempt_roles": [trusted.id], "review_channel_id": server.review.id}
    await set_rules(server, approval=approval)
    assert not (await server.ask(pat)).ephemeral
    assert (await server.ask()).ephemeral
    assert [len(server.cards()), len(server.calls)] == [1, 1]


async def test_again_waits_like_the_command(server: ModeratedServer) -> None:
    await server.ask()
    await server.decide("Approve")
    again = await server.click(server.messages()[0], "Again")
    assert again.ephemeral
    assert len(server.cards()) == 2
    await server.decide("Approve")
    assert len(server.calls) == 2
