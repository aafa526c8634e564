"""Request -> card -> decision, over restarts, by those who may decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.runs import RunState
from bot.store.tables import audit
from demo.standin.deployments import PICTURE_ID, VIDEO_ID
from tests.discord.court import Court, court, ruled
from tests.discord.crowd import reviewer
from tests.discord.seen import buttons_of, pinged, press, refusal, text_of, texts
from tests.stage import Stage

TWO = (
    f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\n'
    f'[deployments.video]\ndeployment_id = "{VIDEO_ID}"\n'
)
SECRETS = ("a fox", "seed 7", "H100", "ink")


def nothing_seen(s: Stage) -> None:
    """Neither the channel nor anything that was ever sent into it tells what was asked for."""
    for shown in texts(s):
        assert not any(secret in shown for secret in SECRETS), shown
    for request in s.env.http_requests:
        if f"/channels/{s.channel.id}/" in request.path:
            assert not any(secret in str(request.json) for secret in SECRETS)


async def actions(s: Stage) -> list[str]:
    """The record, oldest first."""
    async with s.app.store.database.read() as connection:
        return list((await connection.execute(select(audit.c.action).order_by(audit.c.id))).scalars())


async def test_a_request_waits_unseen_is_approved_and_comes_out_in_its_channel(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        s = c.s
        asked = await c.ask(style="ink", gpu="H100")
        assert asked.ephemeral
        assert "Waiting for approval" in text_of(s, asked.response)
        assert texts(s) == []
        card = text_of(s, c.card)
        for told in (f"<@{s.alice.id}>", "account created", "joined", "a fox", "ink", "GPU H100", "60 GPU"):
            assert told in card
        assert list(buttons_of(s, c.card)) == ["Approve", "Reject", "Block"]
        nothing_seen(s)
        assert s.calls == []
        await s.restart()
        await c.decide("Approve")
        assert f"Approved by <@{c.mona.id}>" in c.verdict
        assert buttons_of(s, c.card) == {}
        (result,) = texts(s)
        assert "> a fox" in result
        assert pinged(s) == [s.alice.id]
        assert (await s.run()).state is RunState.SUCCEEDED
        assert await actions(s) == ["settings", "request", "approve", "outcome"]


async def test_a_prompt_too_long_for_the_card_is_read_whole_by_moderators_alone(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask(prompt=f"a fox {'and a fox ' * 100}in the dark")
        assert "in the dark" not in c.verdict
        whole = await c.decide("Details")
        assert whole.ephemeral
        assert "in the dark" in text_of(c.s, whole.response)
        hidden = await c.decide("Details", c.s.bob)
        assert "in the dark" not in text_of(c.s, hidden.response)
        await c.decide("Approve")
        assert (await c.s.run()).state is RunState.SUCCEEDED


async def test_a_rejection_is_told_in_the_channel_and_its_reason_to_the_requester_alone(
    tmp_path: Path,
) -> None:
    async with court(tmp_path) as c:
        await c.ask(style="ink")
        c.s.clock.move(hours=3)  # the interaction's token is long gone
        await c.reject("Not @everyone, please")
        (outcome,) = texts(c.s)
        assert "Not approved: Picture" in outcome
        assert "A moderator didn't approve this request." in outcome
        assert "please" not in outcome
        assert list(buttons_of(c.s, c.s.messages()[0])) == ["Edit", "Details"]
        nothing_seen(c.s)
        (letter,) = c.letters()
        assert "Your request for **Picture** was not approved." in letter
        link = f"https://discord.com/channels/{c.s.guild.id}/{c.s.channel.id}"
        assert f"**#pictures** on **Studio**: [open the channel]({link})" in letter
        assert "<#" not in letter
        assert "The moderator's reason: Not \\@everyone, please" in letter
        assert f"Rejected by <@{c.mona.id}>" in c.verdict
        assert "> Not \\@everyone, please" in c.verdict
        assert buttons_of(c.s, c.card) == {}
        assert c.s.calls == []
        assert (await actions(c.s))[-2:] == ["outcome", "reject"]


async def test_without_a_reason_none_is_told(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask()
        await c.reject("")
        assert [("reason" in letter) for letter in c.letters()] == [False]


async def test_closed_direct_messages_keep_nothing_from_the_channel(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask()
        dm = c.s.alice.user.dm_channel
        c.s.env.inject_error("POST", f"/channels/{dm.id}/messages", status=403, code=50007, times=None)
        await c.reject("no")
        assert len(texts(c.s)) == 1
        assert c.letters() == []
        assert await c.s.app.store.deliveries.pending() == 0


async def test_a_form_opened_before_a_restart_is_taken_after_it(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask()
        shown = await c.mona.click(c.card, label="Reject")
        await c.s.restart()
        await c.mona.submit_modal(shown, {"reason": "typed before the restart"})
        await c.s.play()
        assert "typed before the restart" in c.letters()[0]


async def test_of_two_moderators_one_wins_and_the_other_is_told_who(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        s = c.s
        rita = await reviewer(s)
        await c.ask()
        ids = buttons_of(s, c.card)
        shown = await rita.click(c.card, label="Reject")
        await c.decide("Approve")
        told = f"<@{c.mona.id}> has already decided this."
        assert refusal(s, await rita.submit_modal(shown, {"reason": "late"})) == told
        assert refusal(s, await press(s, rita, c.card, ids["Approve"])) == told
        assert refusal(s, await press(s, rita, c.card, ids["Reject"])) == told
        await s.play()
        assert f"Approved by <@{c.mona.id}>" in c.verdict
        assert c.letters() == []
        assert len(s.calls) == 1


async def test_the_reviewer_role_decides_without_manage_server_and_a_stranger_does_not(
    tmp_path: Path,
) -> None:
    async with court(tmp_path) as c:
        rita = await reviewer(c.s)
        await c.ask()
        for label in ("Approve", "Reject", "Block"):
            refused = await c.s.bob.click(c.card, label=label)
            assert refusal(c.s, refused) == "Only this server's moderators can do that."
        assert (await c.s.run()).state is RunState.AWAITING_APPROVAL
        await c.decide("Approve", rita)
        assert f"Approved by <@{rita.id}>" in c.verdict
        assert len(c.s.calls) == 1


async def test_nobody_decides_about_their_own_request(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask(c.mona)
        for label in ("Approve", "Reject"):
            refused = await c.mona.click(c.card, label=label)
            assert refusal(c.s, refused) == "Somebody else has to decide about your own request."
        await c.decide("Approve", await reviewer(c.s))
        assert len(c.s.calls) == 1


async def test_a_request_that_nobody_decides_about_expires(tmp_path: Path) -> None:
    async with court(tmp_path, rules={"approval": {"hours": 5}}) as c:
        await c.ask(style="ink")
        ids = buttons_of(c.s, c.card)
        await c.s.later(hours=4.9)
        assert (await c.s.run()).state is RunState.AWAITING_APPROVAL
        await c.s.restart()
        await c.s.later(hours=0.2)
        (outcome,) = texts(c.s)
        assert "Nobody decided about this request in time." in outcome
        assert pinged(c.s) == [c.s.alice.id]
        nothing_seen(c.s)
        assert "Nobody decided in time." in c.verdict
        assert buttons_of(c.s, c.card) == {}
        for action in ("Approve", "Reject"):
            refused = await press(c.s, c.mona, c.card, ids[action])
            assert refusal(c.s, refused) == "This request doesn't wait for a decision any more."
        assert c.s.calls == []


async def test_a_requester_takes_a_waiting_request_back(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        asked = await c.ask()
        await c.s.alice.click(asked.response.message, label="Cancel")
        await c.s.play()
        assert "Cancelled, as you asked." in text_of(c.s, asked.response)
        assert texts(c.s) == []
        assert "The requester took it back." in c.verdict
        assert buttons_of(c.s, c.card) == {}


@pytest.mark.parametrize(
    ("approval", "options", "waits"),
    [
        ({"mode": "off"}, {}, False),
        ({"mode": "everybody"}, {}, True),
        ({"mode": "selected", "deployments": ["video"]}, {"deployment": "video"}, True),
        ({"mode": "selected", "deployments": ["video"]}, {"deployment": "picture"}, False),
        ({"mode": "selected", "gpus": ["H100"]}, {"deployment": "picture", "gpu": "H100"}, True),
        ({"mode": "selected", "gpus": ["H100"]}, {"deployment": "picture", "gpu": "L4"}, False),
    ],
)
async def test_who_and_what_waits_is_as_the_server_set_it(
    tmp_path: Path, approval: dict[str, Any], options: dict[str, str], waits: bool
) -> None:
    async with court(tmp_path, rules={"approval": approval}, deployments=TWO) as c:
        name = options.pop("deployment", "picture")
        await c.s.alice.slash(c.s.channel, f"generate {name}", prompt="a fox", **options)
        await c.s.play()
        assert [len(c.cards()), len(c.s.calls)] == ([1, 0] if waits else [0, 1])


async def test_who_has_a_trusted_role_need_not_wait(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        trusted = c.s.guild.create_role("trusted")
        pat = c.s.guild.add_member(c.s.env.create_user("pat"), roles=[trusted])
        await ruled(
            c.s,
            approval={
                "mode": "without_roles",
                "exempt_roles": [trusted.id],
                "review_channel_id": c.review.id,
            },
        )
        assert not (await c.ask(pat)).ephemeral
        assert (await c.ask()).ephemeral
        assert [len(c.cards()), len(c.s.calls)] == [1, 1]


async def again_waits(c: Court) -> None:
    s = c.s
    s.clock.move(seconds=1)
    again = await s.alice.click(s.messages()[0], label="Again")
    await s.play()
    assert again.ephemeral
    assert len(c.cards()) == 2


async def test_again_waits_like_the_command(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask()
        await c.decide("Approve")
        await again_waits(c)
        await c.decide("Approve")
        assert len(c.s.calls) == 2
