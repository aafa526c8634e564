"""Several at once under a server's rules: one decision, one budget, one report for all of them."""

from __future__ import annotations

from pathlib import Path

from bot.runs import RunState
from tests.discord.court import NO_APPROVAL, court, ruled
from tests.discord.seen import buttons_of, galleries_of, refusal, text_of, texts
from tests.discord.several import ask, files, open_one
from tests.stage import stage


async def test_one_approval_starts_all_of_them(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask(count=4)
        assert len(c.cards()) == 1
        assert "counts 4 runs and about 240 GPU seconds" in text_of(c.s, c.card)
        assert texts(c.s) == []
        await c.s.restart()
        await c.decide("Approve")
        assert galleries_of(c.s, c.s.messages()[0]) == [4]
        assert len(c.s.calls) == 4
        assert f"Approved by <@{c.mona.id}>" in c.verdict


async def test_one_rejection_ends_all_of_them(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask(count=4)
        await c.reject("not here")
        (shown,) = texts(c.s)
        assert "Not approved: Picture ×4" in shown
        assert "a fox" not in shown
        assert len(c.letters()) == 1
        assert c.s.calls == []


async def test_nobody_decides_and_all_of_them_expire(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask(count=4)
        await c.s.later(hours=80)
        assert set(await c.s.states()) == {RunState.EXPIRED}
        assert len(texts(c.s)) == 1
        assert "Nobody decided in time." in c.verdict


async def test_a_report_is_about_all_of_them_and_its_delete_takes_all(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        await c.ask(count=3)
        await c.s.bob.click(c.s.messages()[0], label="Report")
        await c.s.play()
        await c.decide("Delete")
        assert texts(c.s) == []
        assert f"Deleted by <@{c.mona.id}>" in c.verdict


async def test_the_budget_counts_each_and_says_how_many_there_is_room_for(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ruled(s, budgets={"person": {"waiting": None, "runs_a_day": 3}})
        refused = await s.alice.slash(s.channel, "generate", prompt="a fox", count=4)
        assert refusal(s, refused).startswith("Of your 3 runs for today 3 are left, and these are 4.")
        assert await s.runs() == []
        await ask(s, count=2)
        usage = await s.alice.slash(s.channel, "usage")
        assert "2 of 3" in text_of(s, usage.response)
        refused = await s.alice.slash(s.channel, "generate", prompt="a fox", count=2)
        assert "1 are left" in refusal(s, refused)


async def test_a_moderators_deletion_of_one_takes_it_off_the_reports_card_too(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        s = c.s
        await c.ask(count=3)
        await s.bob.click(s.messages()[0], label="Report")
        await s.play()
        assert galleries_of(s, c.card) == [3]
        one = await open_one(s, c.mona, 2)
        await c.mona.click(one.response.message, label="Delete")
        await s.play()
        first, _, third = await s.keys()
        assert files(s.messages()[0]) == [first, third]
        assert [each.filename.split("-")[2] for each in c.card.attachments] == [first, third]
        assert galleries_of(s, c.card) == [2]
        assert list(buttons_of(s, c.card)) == ["Delete", "Block", "Dismiss"]
        await c.decide("Delete")
        assert s.messages() == []
        assert c.card.attachments == []
