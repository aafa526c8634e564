"""Requests that wait for a moderator: what the requester, the channel and the moderators see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.moderation.rules import ApprovalMode
from bot.runs import RunState
from tests.discord.crowd import moderator, reviewer
from tests.discord.moderated import Review, review, set_rules
from tests.discord.seen import buttons_of, pinged, press, refusal, text_of, texts
from tests.stage import Stage, stage


async def ask(s: Stage, **options: Any) -> Any:
    asked = await s.alice.slash(s.channel, "generate", prompt="a hidden fox", seed=7, **options)
    await s.play()
    return asked


async def test_a_request_waits_and_the_channel_sees_nothing_of_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        place = await review(s)
        asked = await ask(s, gpu="L4")
        told = text_of(s, asked.response)
        assert "A moderator looks at it first." in told
        assert "fox" not in told
        assert not any("fox" in text or "L4" in text for text in texts(s))
        assert s.calls == []
        card = place.text()
        for shown in ("**prompt** a hidden fox", "**seed** 7", "GPU L4", "account made", "here since"):
            assert shown in card
        assert f"<@{s.alice.id}>" in card
        assert "counts 1 run and about 60 GPU seconds" in card
        assert list(buttons_of(s, place.card())) == ["Approve", "Reject", "Block"]
        assert pinged(s) == []


async def test_approved_it_runs_and_the_card_says_who(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        place = await review(s)
        await ask(s)
        await s.restart()
        await place.mona.click(place.card(), label="Approve")
        await s.play()
        (result,) = s.messages()
        assert len(result.attachments) == 1
        assert "> a hidden fox" in text_of(s, result)
        assert pinged(s) == [s.alice.id]
        assert f"Approved by <@{place.mona.id}>" in place.text()
        assert buttons_of(s, place.card()) == {}
        assert len(s.calls) == 1


async def test_rejected_the_reason_goes_to_the_requester_alone(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        place = await review(s)
        await ask(s)
        form = await place.mona.click(place.card(), label="Reject")
        await s.restart()
        await place.mona.submit_modal(form, {"reason": "not in this server"})
        await s.play()
        (told,) = texts(s)
        assert "Not approved" in told
        assert "not in this server" not in told
        assert "fox" not in told
        private = [text_of(s, message) for message in s.alice.user.dm_channel.history()]
        assert any("not in this server" in text for text in private)
        assert f"Rejected by <@{place.mona.id}>" in place.text()
        assert s.calls == []


async def test_of_two_moderators_one_wins_and_the_other_is_told_who(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        place = await review(s)
        second = moderator(s, "max")
        await ask(s)
        card = place.card()
        late = await second.click(card, label="Reject")
        await place.mona.click(card, label="Approve")
        answer = await second.submit_modal(late, {"reason": "no"})
        assert refusal(s, answer) == f"<@{place.mona.id}> has already decided this."
        await s.play()
        assert (await s.run()).state is RunState.SUCCEEDED
        assert len(s.calls) == 1


async def test_nobody_approves_their_own_and_strangers_approve_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        place = await review(s)
        await place.mona.slash(s.channel, "generate", prompt="my own")
        await s.play()
        own = await place.mona.click(place.card(), label="Approve")
        assert refusal(s, own) == "Somebody else has to decide about your own request."
        stranger = await s.bob.click(place.card(), label="Approve")
        assert refusal(s, stranger) == "Only this server's moderators can do that."
        assert (await s.run()).state is RunState.AWAITING_APPROVAL


async def test_the_reviewer_role_decides_too(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        place = await review(s)
        rita = await reviewer(s)
        await ask(s)
        await rita.click(place.card(), label="Approve")
        await s.play()
        assert (await s.run()).state is RunState.SUCCEEDED


async def test_undecided_for_too_long_it_expires_politely(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        place = await review(s, hours=2)
        await ask(s)
        await s.later(hours=3)
        (told,) = texts(s)
        assert "Nobody decided about this request in time." in told
        assert "fox" not in told
        assert pinged(s) == [s.alice.id]
        assert "Nobody decided in time." in place.text()
        over = await press_card(place)
        assert refusal(s, over) == "This request doesn't wait for a decision any more."


async def press_card(place: Review) -> Any:
    """A button that an old client still shows."""
    run = await place.stage.run()
    return await press(place.stage, place.mona, place.card(), f"run:{run.key}:approve")


@pytest.mark.parametrize(
    ("mode", "more", "waits"),
    [
        (ApprovalMode.OFF, {}, False),
        (ApprovalMode.EVERYBODY, {}, True),
        (ApprovalMode.SELECTED, {"gpus": frozenset({"H100"})}, False),
        (ApprovalMode.SELECTED, {"gpus": frozenset({"L4"})}, True),
        (ApprovalMode.SELECTED, {"deployments": frozenset({"default"})}, True),
    ],
)
async def test_who_waits(tmp_path: Path, mode: ApprovalMode, more: dict[str, Any], waits: bool) -> None:
    async with stage(tmp_path) as s:
        await review(s, mode, **more)
        await ask(s, gpu="L4")
        assert ((await s.run()).state is RunState.AWAITING_APPROVAL) is waits


async def test_without_roles_means_who_has_none_of_them(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        trusted = s.guild.create_role("trusted")
        carol = s.guild.add_member(s.env.create_user("carol"), roles=[trusted])
        await review(s, ApprovalMode.WITHOUT_ROLES, exempt_roles=frozenset({trusted.id}))
        await carol.slash(s.channel, "generate", prompt="an owl")
        await s.play()
        assert (await s.run()).state is RunState.SUCCEEDED
        await ask(s)
        assert {run.state for run in await s.runs()} == {RunState.SUCCEEDED, RunState.AWAITING_APPROVAL}


async def test_where_no_card_can_be_posted_the_request_is_refused_with_that(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await review(s)
        await set_rules(s, approval={"mode": "everybody", "review_channel_id": 1})
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
        assert "I can't post in the review channel" in refusal(s, asked)
        assert await s.runs() == []


async def test_the_requester_takes_it_back(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        place = await review(s)
        asked = await ask(s)
        await s.alice.click(asked.response.message, label="Cancel")
        await s.play()
        assert "The requester took it back." in place.text()
        assert (await s.run()).state is RunState.CANCELLED
        assert s.calls == []
