"""Approval in trouble: the review channel, the requester, the moderator's rights or the request is gone."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.domain.runs import RunState
from bot.domain.settings.rules_and_defaults import Approval
from tests.discord.actors import reviewer
from tests.discord.forged import own_answer, press
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer, set_rules
from tests.discord.outages import held_calls
from tests.discord.rendered import buttons_of, filled, refusal, text_of, texts
from tests.harness import HELD, Harness
from tests.questions import delete_runs, insert_rules, rules, unsettled

NOT_A_MODERATOR = "Only this server's moderators can do that."
UNREADABLE = "I can't read this server's settings. A moderator can repair them in `/settings`."
AWAY = "Discord didn't answer, so nothing has changed. Please try again in a minute."
UNREACHABLE = "Requests here wait for a moderator, but I can't post in the review channel."


@pytest.mark.parametrize("denied", ["view_channel", "attach_files"])
async def test_a_review_channel_that_is_closed_refuses_at_once(server: ModeratedServer, denied: str) -> None:
    overwrites: Any = {server.app.bot.user: discord.PermissionOverwrite(**{denied: False})}
    closed = server.guild.create_text_channel("closed", overwrites=overwrites)
    await set_rules(server, approval={"mode": "everybody", "review_channel_id": closed.id})
    assert refusal(server, await server.ask()).startswith(UNREACHABLE)
    assert await server.runs() == []


@pytest.mark.parametrize("known", [True, False])
async def test_without_a_review_channel_nothing_is_let_through(bot: Harness, known: bool) -> None:
    approval = Approval.model_validate({"mode": "everybody", "review_channel_id": 5 if known else None})
    await set_rules(bot, approval=approval.model_dump())
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    assert refusal(bot, asked).startswith(UNREACHABLE)
    await bot.play()
    assert await bot.runs() == []
    assert bot.calls == []


async def test_a_review_channel_deleted_before_the_card_ends_the_request(server: ModeratedServer) -> None:
    asked = await server.alice.slash(server.channel, "generate", prompt="a fox")
    server.env.backend.delete_channel(server.review.id)
    await server.play()
    run = await server.run()
    assert (run.state, run.failure_code) == (RunState.REFUSED, "review_unreachable")
    assert UNREACHABLE in text_of(server, asked.response)
    assert "Not started" in text_of(server, asked.response)
    assert texts(server) == []
    assert (await unsettled(server.database)).messages == 0


async def test_a_card_is_posted_once_although_discord_failed_in_between(server: ModeratedServer) -> None:
    await server.alice.slash(server.channel, "generate", prompt="a fox")
    server.env.inject_error("POST", f"/channels/{server.review.id}/messages", status=503, times=2)
    await server.play()
    await server.restart()
    await server.later(minutes=2, times=3)
    assert len(server.cards()) == 1
    await server.decide("Approve")
    assert len(server.calls) == 1


async def test_a_card_whose_answer_was_lost_is_brought_up_to_date(server: ModeratedServer) -> None:
    await server.ask()
    server.env.inject_error("POST", "/interactions/*/*/callback", status=503, times=9)
    await server.mona.click(server.card, label="Approve")
    server.env.backend.faults.clear()
    await server.play()
    assert f"Approved by <@{server.mona.id}>" in server.verdict
    assert buttons_of(server, server.card) == {}


async def test_a_moderator_whose_answer_was_lost_may_approve_again(server: ModeratedServer) -> None:
    await server.ask()
    server.env.inject_error("POST", "/interactions/*/*/callback", status=503, times=9)
    await server.mona.click(server.card, label="Approve")
    server.env.backend.faults.clear()
    again = await server.mona.click(server.card, label="Approve")
    assert again.acknowledged
    await server.play()
    assert f"Approved by <@{server.mona.id}>" in server.verdict
    assert len(server.calls) == 1


async def test_unreadable_settings_let_nothing_through(server: ModeratedServer) -> None:
    await server.ask()
    await insert_rules(server.database, server.guild.id, {"approval": "sometimes"})
    for label in ("Approve", "Reject", "Block"):
        assert refusal(server, await server.mona.click(server.card, label=label)) == UNREADABLE
    assert refusal(server, await server.ask()) == UNREADABLE
    assert [run.state for run in await server.runs()] == [RunState.AWAITING_APPROVAL]
    assert server.calls == []


@pytest.mark.bot(rules=NO_APPROVAL)
async def test_a_forged_approval_of_a_running_request_changes_nothing(server: ModeratedServer) -> None:
    server.comfydeploy.next_faults(HELD)
    await server.ask()
    run = await server.run()
    (status,) = server.messages()
    own = await own_answer(server, server.mona)
    for action in ("approve", "reject"):
        refused = await press(server, server.mona, own, f"run:{run.key}:{action}")
        assert refusal(server, refused) == "This has already been decided."
    for action in ("delete", "report"):
        refused = await press(server, server.alice, status, f"run:{run.key}:{action}")
        assert refusal(server, refused) == "There is no result here to delete or report."
    for action in ("approve", "reject", "block", "dismiss"):
        refused = await press(server, server.mona, status, f"run:nobody:{action}")
        assert refusal(server, refused) == "This request no longer exists."
    assert (await server.run()).state is RunState.RUNNING
    assert server.cards() == []


async def test_a_server_left_and_joined_again_finds_its_requests_and_rules(server: ModeratedServer) -> None:
    backend = server.env.backend
    await server.ask()
    rooms = {key: room for key, room in backend.channels.items() if room.guild_id == server.guild.id}
    said = {key: found for key, found in backend.messages.items() if key in rooms}
    guild = backend.guilds[server.guild.id]
    backend.remove_guild(guild.id)
    await server.play()
    backend.guilds[guild.id] = guild
    backend.channels.update(rooms)
    backend.messages.update(said)
    await server.restart()
    await server.decide("Approve")
    assert len(server.calls) == 1
    assert (await server.ask()).ephemeral


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
    assert len([m for m in server.channel.history(viewer=server.bob) if not m.flags.ephemeral]) == 1
    assert buttons_of(server, server.card) == {}
    assert (await unsettled(server.database)).messages == 0
    assert len(server.calls) == (decision == "Approve")


async def test_a_rejection_is_told_though_the_channel_is_gone(server: ModeratedServer) -> None:
    await server.ask()
    server.clock.move(hours=1)
    server.env.backend.delete_channel(server.channel.id)
    await server.reject("not here")
    (letter,) = server.letters()
    assert "The moderator's reason: not here" in letter
    assert "[Open the channel](" in letter


async def test_a_reviewer_who_lost_the_role_decides_nothing(server: ModeratedServer) -> None:
    rita = await reviewer(server)
    await server.ask()
    ids = buttons_of(server, server.card)
    forms = [await rita.click(server.card, label=label) for label in ("Reject", "Block")]
    role_id = (await rules(server.database, server.guild.id)).reviewer_role_id
    server.env.backend.remove_member_role(server.guild.id, rita.id, role_id)
    for action in ("Approve", "Reject", "Block"):
        assert refusal(server, await press(server, rita, server.card, ids[action])) == NOT_A_MODERATOR
    for form in forms:
        values = filled(form.modal) | {"reason": "no"}
        assert refusal(server, await rita.submit_modal(form, values)) == NOT_A_MODERATOR
    assert (await server.run()).state is RunState.AWAITING_APPROVAL
    assert buttons_of(server, server.card) == ids


async def test_nobody_is_blocked_while_discord_does_not_tell_their_roles(server: ModeratedServer) -> None:
    await server.ask()
    first, second = [await server.mona.click(server.card, label="Block") for _ in range(2)]
    values = filled(first.modal) | {"reason": "no", "duration": "open"}
    server.env.inject_error("GET", "/guilds/*/members/*", status=503)
    assert refusal(server, await server.mona.submit_modal(first, values)) == AWAY
    with held_calls(server, "/members/"):
        assert refusal(server, await server.mona.submit_modal(second, values)) == AWAY
    assert (await server.run()).state is RunState.AWAITING_APPROVAL
    await server.decide_with_reason("Block", "no")
    assert (await server.run()).state is RunState.REJECTED


async def forget(server: ModeratedServer) -> None:
    """Delete the run, as retention does, or as if the request had never been answered."""
    await delete_runs(server.database)


@pytest.mark.parametrize("label", ["Approve", "Reject", "Block"])
async def test_a_press_on_the_card_of_a_deleted_request_says_so(server: ModeratedServer, label: str) -> None:
    await server.ask()
    await forget(server)
    await server.restart()
    refused = await server.mona.click(server.card, label=label)
    assert refusal(server, refused) == "This request no longer exists."


@pytest.mark.parametrize("decision", ["Approve", "Reject", "Block"])
async def test_a_form_sent_after_somebody_else_decided_says_who(
    server: ModeratedServer, decision: str
) -> None:
    rita = await reviewer(server)
    await server.ask()
    form = await rita.click(server.card, label="Reject")
    if decision == "Approve":
        await server.decide("Approve")
    else:
        await server.decide_with_reason(decision, "no")
    late = await rita.submit_modal(form, filled(form.modal) | {"reason": "spam"})
    assert refusal(server, late) == f"<@{server.mona.id}> has already decided this."
    await server.play()
    assert server.mona.user.mention in server.verdict
