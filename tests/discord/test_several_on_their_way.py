"""Several at once before they have ended: how far they are, in which list, and cancelled."""

from __future__ import annotations

from pathlib import Path

from demo.standin.faults import Faults
from tests.discord.seen import galleries_of, pinged, text_of, texts
from tests.discord.several import HELD, ask
from tests.stage import stage


async def test_the_status_tells_how_far_they_are_as_a_whole(tmp_path: Path) -> None:
    async with stage(tmp_path, max_concurrent_runs=2) as s:
        asked = await ask(s, Faults(), HELD, HELD, HELD)
        await s.later(seconds=4)
        shown = text_of(s, asked.response)
        assert "### Generating: Picture ×4" in shown
        assert "1 of 4 done" in shown
        assert "next in the queue" in shown
        s.standin.release(s.calls[1].run_ids[0])
        await s.standin.idle()
        await s.play()
        await s.later(seconds=4)
        assert "2 of 4 done" in text_of(s, asked.response)
        assert len(texts(s)) == 1
        while s.standin.release():
            await s.standin.idle()
            await s.play()
        (result,) = s.messages()
        assert galleries_of(s, result) == [4]


async def test_cancel_in_the_middle_keeps_what_is_finished(tmp_path: Path) -> None:
    async with stage(tmp_path, max_concurrent_runs=2) as s:
        asked = await ask(s, Faults(), HELD, HELD)
        await s.alice.click(asked.response.message, label="Cancel")
        await s.play()
        assert await s.states() == ["succeeded", "cancelled", "cancelled", "cancelled"]
        assert len(s.calls) == 3
        (message,) = s.messages()
        assert "**Picture, 1 of 4**" in text_of(s, message)
        assert "**2, 3** Cancelled, as you asked. The GPU time was charged." in text_of(s, message)
        assert "**4** Cancelled, as you asked. Nothing was charged." in text_of(s, message)
        assert galleries_of(s, message) == [1]


async def test_cancelled_before_anything_came_the_answer_says_so_in_place(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        asked = await ask(s, *[HELD] * 4)
        await s.alice.click(asked.response.message, label="Cancel")
        await s.play()
        (shown,) = texts(s)
        assert "Cancelled: Picture ×4" in shown
        assert "**1, 2** Cancelled, as you asked. The GPU time was charged." in shown
        assert "**3, 4** Cancelled, as you asked. Nothing was charged." in shown
        assert s.messages()[0].id == asked.response.id
        assert pinged(s) == []
        assert len(s.standin.ledger.cancel_calls) == 2  # the machine takes two at once


async def test_a_list_shows_them_in_one_line(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s, Faults(), HELD, HELD, count=3)
        runs = await s.alice.slash(s.channel, "runs")
        shown = text_of(s, runs.response)
        assert "1. Generating (1 of 3): **Picture**" in shown
        assert "2. " not in shown
        queue = await s.bob.slash(s.channel, "queue")
        assert "Picture 2 of 3" in text_of(s, queue.response)
        while s.standin.release():
            await s.standin.idle()
            await s.play()
        runs = await s.alice.slash(s.channel, "runs")
        assert "1. Done (3 of 3): **Picture**" in text_of(s, runs.response)
