"""Decisions about requests whose requester, channel, role or moderator's rights are gone by then."""

from __future__ import annotations

import pytest

from bot.domain.runs import RunState
from tests.discord.actors import reviewer
from tests.discord.forged import press
from tests.discord.moderated_server import ModeratedServer
from tests.discord.rendered import buttons_of, refusal, texts
from tests.harness import HELD

NOT_A_MODERATOR = "Only this server's moderators can do that."


@pytest.mark.parametrize("decision", ["Approve", "Reject", "Block"])
async def test_requests_of_somebody_who_left_are_decided(server: ModeratedServer, decision: str) -> None:
    await server.ask()
    server.guild.remove_member(server.alice)
    dm = server.alice.user.dm_channel
    server.env.inject_error("POST", f"/channels/{dm.id}/messages", status=403, code=50278, times=None)
    if decision == "Approve":
        await server.decide("Approve")
    else:
        await server.decide_with_reason(decision, "gone")
    expected = RunState.SUCCEEDED if decision == "Approve" else RunState.REJECTED
    assert (await server.run()).state is expected
    found = [message for message in server.channel.history(viewer=server.bob) if not message.flags.ephemeral]
    assert len(found) == 1
    assert buttons_of(server, server.card) == {}
    assert await server.app.store.deliveries.pending() == 0
    assert len(server.calls) == (decision == "Approve")


async def test_a_result_whose_channel_was_deleted_meanwhile_comes_directly(server: ModeratedServer) -> None:
    await server.ask(faults=HELD)
    server.clock.move(hours=1)  # the interaction's token is long gone
    await server.decide("Approve")
    server.env.backend.delete_channel(server.channel.id)
    await server.release()
    assert (await server.run()).state is RunState.SUCCEEDED
    result, note = server.alice.user.dm_channel.history()
    assert len(result.attachments) == 1
    assert "[the channel you asked in](" in note.content


async def test_a_rejections_outcome_comes_directly_where_the_channel_is_gone(server: ModeratedServer) -> None:
    await server.ask()
    server.clock.move(hours=1)
    server.env.backend.delete_channel(server.channel.id)
    await server.reject("not here")
    letters = server.letters()
    assert sum("Not approved: Picture" in letter for letter in letters) == 1
    assert sum("The moderator's reason: not here" in letter for letter in letters) == 1
    assert any("[Open the channel](" in letter for letter in letters)


async def test_a_reviewer_who_lost_the_role_decides_nothing(server: ModeratedServer) -> None:
    rita = await reviewer(server)
    await server.ask()
    ids = buttons_of(server, server.card)
    forms = [await rita.click(server.card, label=label) for label in ("Reject", "Block")]
    role_id = (await server.app.store.rules.get(server.guild.id)).reviewer_role_id
    assert role_id is not None
    server.env.backend.remove_member_role(server.guild.id, rita.id, role_id)
    for action in ("Approve", "Reject", "Block"):
        assert refusal(server, await press(server, rita, server.card, ids[action])) == NOT_A_MODERATOR
    for form in forms:
        assert refusal(server, await rita.submit_modal(form, {"reason": "no"})) == NOT_A_MODERATOR
    assert (await server.run()).state is RunState.AWAITING_APPROVAL
    assert buttons_of(server, server.card) == ids


async def test_without_the_reviewer_role_managers_still_decide(server: ModeratedServer) -> None:
    rita = await reviewer(server)
    role_id = (await server.app.store.rules.get(server.guild.id)).reviewer_role_id
    assert role_id is not None
    await server.ask()
    server.env.backend.delete_role(server.guild.id, role_id)
    await server.env.settle()
    assert refusal(server, await rita.click(server.card, label="Approve")) == NOT_A_MODERATOR
    await server.decide("Approve")
    assert len(server.calls) == 1
    assert len(texts(server)) == 1
