"""A block ends what its person has waiting on that server, by whichever way it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.runs import RunState
from demo.standin.faults import Faults
from tests.contract.store.stored import record
from tests.discord.court import NO_APPROVAL, Court, court, ruled
from tests.discord.crowd import moderator, reviewer
from tests.discord.seen import buttons_of, pinged, press, refusal, text_of, texts
from tests.stage import Stage, stage

ENDED = "A moderator ended this request before it was started."
HELD = Faults(hold_at="running")


async def queue_of_three(s: Stage, **options: Any) -> list[Any]:
    """Alice's first request runs, two more wait behind it."""
    s.standin.next_faults(HELD)
    asked = []
    for _ in range(3):
        s.clock.move(milliseconds=1)
        asked.append(await s.alice.slash(s.channel, "generate", prompt="a fox", **options))
        await s.play()
    assert await s.states() == [RunState.RUNNING, RunState.WAITING, RunState.WAITING]
    return asked


def letters(s: Stage) -> list[str]:
    return [text_of(s, message) for message in s.alice.user.dm_channel.history()]


async def test_the_command_ends_what_waits_and_lets_go_on_what_runs(tmp_path: Path) -> None:
    async with stage(tmp_path, max_concurrent_runs=1) as s:
        mona = moderator(s)
        await ruled(s, budgets={"person": {"runs_a_day": 3}})
        asked = await queue_of_three(s)
        assert not (await s.bob.slash(s.channel, "generate", prompt="a hen")).ephemeral
        done = await mona.slash(s.channel, "block", user=s.alice, reason="spam")
        assert done.response.content.endswith(" Requests of theirs that waited and have ended: 2.")
        await s.play()
        for answer in asked[1:]:
            assert "Not started: Picture" in text_of(s, answer.response)
            assert ENDED in text_of(s, answer.response)
            assert list(buttons_of(s, answer.response)) == ["Edit", "Details"]
        assert not any("spam" in shown for shown in texts(s))
        (letter,) = letters(s)
        assert "The moderator's reason: spam" in letter
        await s.restart()
        s.standin.release()
        await s.play()
        ended = {run.requester_id: run.state for run in await s.runs() if run.state is RunState.SUCCEEDED}
        assert set(ended) == {s.alice.id, s.bob.id}
        assert len(s.calls) == 2
        assert len(letters(s)) == 1
        await mona.slash(s.channel, "unblock", user=s.alice)
        # Of the three runs a day, the two that were ended came back.
        for _ in range(2):
            s.clock.move(seconds=1)
            assert not (await s.alice.slash(s.channel, "generate", prompt="a fox")).ephemeral
            await s.play()
        over = await s.alice.slash(s.channel, "generate", prompt="a fox")
        assert refusal(s, over).startswith("You have used your 3 runs for today.")


async def test_a_cards_button_ends_every_request_that_awaits_approval(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        s = c.s
        await c.ask()
        s.clock.move(hours=1)  # the interaction's token is long gone
        await c.ask()
        s.clock.move(seconds=1)
        await c.ask(s.bob)
        first, second, others = c.cards()
        pinged_before = pinged(s)
        shown = await c.mona.click(second, label="Block")
        await s.restart()
        done = await c.mona.submit_modal(shown, {"reason": "that *word*"})
        assert done.response.content == (
            f"<@{s.alice.id}> can't generate here any more, until somebody unblocks them. "
            "Requests of theirs that waited and have ended: 2."
        )
        await s.play()
        assert await s.states() == [RunState.REJECTED, RunState.REJECTED, RunState.AWAITING_APPROVAL]
        shown_there = texts(s)
        assert len(shown_there) == 2
        for text in shown_there:
            assert "Not approved: Picture" in text
            assert ENDED in text
            assert not any(secret in text for secret in ("fox", "word", "seed"))
        assert pinged(s)[len(pinged_before) :] == [s.alice.id, s.alice.id]
        for card in (first, second):
            assert f"<@{c.mona.id}> blocked the requester" in text_of(s, card)
            assert "> that \\*word\\*" in text_of(s, card)
            assert buttons_of(s, card) == {}
        assert list(buttons_of(s, others)) == ["Approve", "Reject", "Block"]
        (letter,) = c.letters()
        assert "has blocked you from generating there." in letter
        assert "blocked you from generating on this server" in refusal(s, await c.ask())
        assert s.calls == []


async def test_a_reports_button_ends_what_its_maker_has_waiting(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL, max_concurrent_runs=1) as c:
        s = c.s
        await c.ask()
        (message,) = s.messages()
        await s.bob.click(message, label="Report")
        await queue_of_three_more(c)
        shown = await c.mona.click(c.card, label="Block")
        await c.mona.submit_modal(shown, {"reason": "that picture"})
        await s.play()
        assert await s.states() == [RunState.SUCCEEDED, RunState.RUNNING, RunState.REFUSED]
        assert list(buttons_of(s, c.card)) == ["Delete", "Block", "Dismiss"]
        assert len(c.letters()) == 1


async def queue_of_three_more(c: Court) -> None:
    c.s.standin.next_faults(HELD)
    for _ in range(2):
        c.s.clock.move(seconds=1)
        await c.ask()


async def test_an_approved_request_that_still_waits_ends_as_well(tmp_path: Path) -> None:
    async with court(tmp_path, max_concurrent_runs=1) as c:
        s = c.s
        s.standin.next_faults(HELD)
        await c.ask(s.bob)
        await c.decide("Approve")
        s.clock.move(seconds=1)
        asked = await c.ask()
        await c.decide("Approve")
        await c.mona.slash(s.channel, "block", user=s.alice, reason="spam")
        await s.play()
        assert await s.states() == [RunState.RUNNING, RunState.REFUSED]
        assert f"Approved by <@{c.mona.id}>" in c.verdict
        assert ENDED in text_of(s, asked.response)
        assert not any(ENDED in shown for shown in texts(s))


async def test_a_block_while_the_queue_call_is_refused_for_now_ends_the_run_too(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        s.standin.next_faults(Faults(queue_status=429))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        assert await s.states() == [RunState.WAITING]
        await mona.slash(s.channel, "block", user=s.alice, reason="spam")
        await s.later(minutes=5)
        assert await s.states() == [RunState.REFUSED]
        assert len(s.calls) == 1
        (shown,) = texts(s)
        assert ENDED in shown


@pytest.mark.parametrize("guilty", ["stranger", "oneself", "moderator"])
async def test_who_may_not_be_blocked_loses_nothing(tmp_path: Path, guilty: str) -> None:
    async with court(tmp_path) as c:
        s = c.s
        requester = {"stranger": s.alice, "oneself": c.mona, "moderator": await reviewer(s)}[guilty]
        await c.ask(requester)
        key = (await s.run()).key
        presser = s.bob if guilty == "stranger" else c.mona
        if guilty == "stranger":
            refused = await press(s, presser, c.card, f"run:{key}:block")
        else:
            shown = await presser.click(c.card, label="Block")
            refused = await presser.submit_modal(shown, {"reason": "spam"})
        assert refused.ephemeral
        await s.play()
        assert await s.states() == [RunState.AWAITING_APPROVAL]
        assert not [line for line in await record(s.app.store) if line.action == "block"]
