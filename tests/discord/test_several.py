"""Several at once: one request, several runs with their own seeds, one result."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.runs import Run
from demo.standin.faults import Faults
from tests.discord.seen import buttons_of, galleries_of, pinged, text_of, texts
from tests.discord.several import DEPLOYMENTS, HELD, ask, files, open_one
from tests.stage import stage


async def test_four_at_once_come_as_one_result_with_their_own_seeds(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox", seed=7, count=4)
        assert "Picture ×4" in text_of(s, asked.response)
        assert list(buttons_of(s, asked.response)) == ["Cancel"]
        await s.play()
        (message,) = s.messages()
        shown = text_of(s, message)
        assert f"<@{s.alice.id}> **Picture ×4**" in shown
        assert "> a fox" in shown
        assert "**1** seed 7 · **2** seed 8 · **3** seed 9 · **4** seed 10" in shown
        assert list(buttons_of(s, message)) == ["1", "2", "3", "4", "Again", "Delete", "Report"]
        assert galleries_of(s, message) == [4]
        assert files(message) == await s.keys()
        assert [each.description for each in message.attachments] == [f"{n}: a fox" for n in range(1, 5)]
        assert [call.body["inputs"]["seed"] for call in s.calls] == [7, 8, 9, 10]
        assert pinged(s) == [s.alice.id]


async def test_seeds_that_nobody_gave_are_drawn_for_each(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox", count=3)
        await s.play()
        seeds = [call.body["inputs"]["seed"] for call in s.calls]
        assert len(set(seeds)) == 3
        assert max(seeds) - min(seeds) > 2


async def test_one_that_fails_does_not_sink_the_others(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s, Faults(), Faults(), Faults(ends_as="failed"))
        assert await s.states() == ["succeeded", "succeeded", "failed", "succeeded"]
        (message,) = s.messages()
        shown = text_of(s, message)
        assert "**Picture, 3 of 4**" in shown
        assert "**3** The run failed on the machine" in shown
        assert "seed 9" not in shown
        assert galleries_of(s, message) == [3]
        assert list(buttons_of(s, message))[:4] == ["1", "2", "3", "4"]
        one = await open_one(s, s.alice, 3)
        assert one.ephemeral
        assert "Picture: number 3 of 4" in text_of(s, one.response)
        assert list(buttons_of(s, one.response)) == ["Try again", "Edit", "Details"]


async def test_one_that_was_never_started_is_said_not_to_be_charged(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s, Faults(queue_status=401), count=2)
        assert await s.states() == ["refused", "succeeded"]
        assert "Nothing was charged." in texts(s)[0]


async def test_only_when_all_of_them_failed_it_is_a_failure(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s, *[Faults(ends_as="failed")] * 3, count=3)
        (shown,) = texts(s)
        assert "That didn't work: Picture ×3" in shown
        assert shown.count("The run failed on the machine") == 1
        assert list(buttons_of(s, s.messages()[0])) == ["1", "2", "3", "Try again"]
        assert pinged(s) == [s.alice.id]
        s.clock.move(seconds=1)
        await s.alice.click(s.messages()[0], label="Try again")
        await s.play()
        assert (await s.states())[3:] == ["succeeded"] * 3


async def test_a_success_after_the_deadline_comes_by_itself_and_the_result_stays(tmp_path: Path) -> None:
    late = Faults(hold_at="running", success_after_cancel=True, cancel_supported=False)
    async with stage(tmp_path, run_deadline_seconds=600) as s:
        await ask(s, Faults(), late, count=2)
        for _ in range(4):
            await s.later(minutes=5)
        (result,) = s.messages()
        assert "**2** The run took too long" in text_of(s, result)
        s.standin.release()
        await s.play()
        await s.later(hours=3)
        first, second = s.messages()
        assert first.id == result.id
        assert files(second) == [(await s.keys())[1]]
        assert "Again" in buttons_of(s, second)
        assert await s.states() == ["succeeded", "succeeded"]


async def test_ten_at_once_fit_into_one_message(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=DEPLOYMENTS) as s:
        await s.alice.slash(s.channel, "generate picture", prompt="a fox", count=10)
        await s.play()
        (message,) = s.messages()
        assert galleries_of(s, message) == [10]
        assert len(buttons_of(s, message)) == 13


async def test_several_pictures_of_several_runs_go_on_in_further_messages(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=DEPLOYMENTS) as s:
        await s.alice.slash(s.channel, "generate variations", prompt="a fox", batch=4, count=4)
        await s.play()
        first, second = s.messages()
        assert [*galleries_of(s, first), *galleries_of(s, second)] == [10, 6]
        expected = [key for key in await s.keys() for _ in range(4)]
        assert files(first) + files(second) == expected
        assert pinged(s) == [s.alice.id]
        # The third stands in both; taken out, it is in neither, and the others are where they were.
        one = await s.alice.click(first, label="3")
        await s.alice.click(one.response.message, label="Delete")
        await s.play()
        first, second = s.messages()
        left = [key for key in expected if key != expected[8]]
        assert files(first) + files(second) == left
        assert [*galleries_of(s, first), *galleries_of(s, second)] == [8, 4]


async def test_words_of_each_stand_under_its_number(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=DEPLOYMENTS) as s:
        await s.alice.slash(s.channel, "generate caption", prompt="a fox", count=2)
        await s.play()
        (message,) = s.messages()
        shown = text_of(s, message)
        assert "**1**\n" in shown
        assert "**2**\n" in shown
        assert shown.count("after the words") == 2
        assert not message.attachments


@pytest.mark.parametrize("count", [0, 5])
async def test_a_number_that_is_not_offered_is_refused(tmp_path: Path, count: int) -> None:
    async with stage(tmp_path) as s:
        with pytest.raises(Exception, match="count"):
            await s.alice.slash(s.channel, "generate", prompt="a fox", count=count)
        assert await s.runs() == []


async def test_one_at_once_is_a_request_by_itself(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s, count=1)
        run: Run = await s.run()
        assert (run.batch_key, run.batch_size) == (None, 1)
        assert "×" not in texts(s)[0]


async def test_where_the_channel_is_closed_all_of_them_come_directly(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s, HELD, HELD, count=2)
        s.clock.move(minutes=20)
        s.env.inject_error("POST", f"/channels/{s.channel.id}/messages", status=403, code=50013, times=None)
        s.standin.release()
        await s.play()
        dm = s.alice.user.dm_channel
        result = next(message for message in dm.history() if message.attachments)
        assert files(result) == await s.keys()
