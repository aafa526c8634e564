"""Decisions about requests whose requester, channel, role or moderator's rights are gone by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.runs import RunState
from tests.discord.court import court
from tests.discord.crowd import reviewer
from tests.discord.seen import buttons_of, press, refusal, texts

NOT_A_MODERATOR = "Only this server's moderators can do that."


@pytest.mark.parametrize("decision", ["Approve", "Reject", "Block"])
async def test_a_requester_who_has_left_is_decided_about_like_others(tmp_path: Path, decision: str) -> None:
    async with court(tmp_path) as c:
        s = c.s
        await c.ask()
        s.guild.remove_member(s.alice)
        dm = s.alice.user.dm_channel
        s.env.inject_error("POST", f"/channels/{dm.id}/messages", status=403, code=50278, times=None)
        if decision == "Approve":
            await c.decide("Approve")
        else:
            shown = await c.mona.click(c.card, label=decision)
            await c.mona.submit_modal(shown, {"reason": "gone"})
            await s.play()
        expected = RunState.SUCCEEDED if decision == "Approve" else RunState.REJECTED
        assert (await s.run()).state is expected
        found = [message for message in s.channel.history(viewer=s.bob) if not message.flags.ephemeral]
        assert len(found) == 1
        assert buttons_of(s, c.card) == {}
        assert await s.app.store.deliveries.pending() == 0
        assert len(s.calls) == (decision == "Approve")


async def test_a_result_whose_channel_was_deleted_meanwhile_comes_directly(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        s = c.s
        await c.ask()
        s.clock.move(hours=1)  # the interaction's token is long gone
        s.env.backend.delete_channel(s.channel.id)
        await c.decide("Approve")
        assert (await s.run()).state is RunState.SUCCEEDED
        result, note = s.alice.user.dm_channel.history()
        assert len(result.attachments) == 1
        assert "[the channel you asked in](" in note.content


async def test_a_rejections_outcome_comes_directly_where_the_channel_is_gone(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        s = c.s
        await c.ask()
        s.clock.move(hours=1)
        s.env.backend.delete_channel(s.channel.id)
        await c.reject("not here")
        letters = c.letters()
        assert sum("Not approved: Picture" in letter for letter in letters) == 1
        assert sum("The moderator's reason: not here" in letter for letter in letters) == 1
        assert any("[Open the channel](" in letter for letter in letters)


async def test_a_reviewer_who_lost_the_role_decides_nothing_with_what_was_open(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        s = c.s
        rita = await reviewer(s)
        await c.ask()
        ids = buttons_of(s, c.card)
        forms = [await rita.click(c.card, label=label) for label in ("Reject", "Block")]
        role_id = (await s.app.store.rules.get(s.guild.id)).reviewer_role_id
        assert role_id is not None
        s.env.backend.remove_member_role(s.guild.id, rita.id, role_id)
        for action in ("Approve", "Reject", "Block"):
            assert refusal(s, await press(s, rita, c.card, ids[action])) == NOT_A_MODERATOR
        for form in forms:
            assert refusal(s, await rita.submit_modal(form, {"reason": "no"})) == NOT_A_MODERATOR
        assert (await s.run()).state is RunState.AWAITING_APPROVAL
        assert buttons_of(s, c.card) == ids


async def test_without_the_reviewer_role_managers_still_decide(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        s = c.s
        rita = await reviewer(s)
        role_id = (await s.app.store.rules.get(s.guild.id)).reviewer_role_id
        assert role_id is not None
        await c.ask()
        s.env.backend.delete_role(s.guild.id, role_id)
        await s.env.settle()
        assert refusal(s, await rita.click(c.card, label="Approve")) == NOT_A_MODERATOR
        await c.decide("Approve")
        assert len(s.calls) == 1
        assert len(texts(s)) == 1
