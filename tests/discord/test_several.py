"""Several at once: one request, several runs with their own seeds, one result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.runs import Run, RunState
from demo.standin.deployments import CAPTION_ID, PICTURE_ID, VARIATIONS_ID
from demo.standin.faults import Faults
from tests.contract.store.stored import record
from tests.discord.court import court, ruled
from tests.discord.seen import buttons_of, galleries_of, pinged, refusal, text_of, texts
from tests.stage import Stage, stage

HELD = Faults(hold_at="running")


async def ask(s: Stage, *faults: Faults, count: int = 4, **more: Any) -> Any:
    """`faults` befall their queue calls, in order."""
    s.standin.next_faults(*faults)
    asked = await s.alice.slash(
        s.channel, "generate", **{"prompt": "a fox", "seed": 7, "count": count, **more}
    )
    await s.play()
    return asked


def files(message: Any) -> list[str]:
    """The files of a message, by the run that made each."""
    return [attachment.filename.split("-")[1] for attachment in message.attachments]


async def open_one(s: Stage, actor: Any, number: int) -> Any:
    """A press on a number under the newest message."""
    return await actor.click(s.messages()[-1], label=str(number))


async def states(s: Stage) -> list[RunState]:
    return [run.state for run in await s.runs()]


async def keys(s: Stage) -> list[str]:
    return [run.key for run in await s.runs()]


async def test_four_at_once_come_as_one_result_with_their_own_seeds(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox", seed=7, count=4)
        assert "Picture, 4 at once" in text_of(s, asked.response)
        assert list(buttons_of(s, asked.response)) == ["Cancel"]
        await s.play()
        (message,) = s.messages()
        shown = text_of(s, message)
        assert f"<@{s.alice.id}> **Picture, 4 at once**" in shown
        assert "> a fox" in shown
        assert "**1** seed 7 · **2** seed 8 · **3** seed 9 · **4** seed 10" in shown
        assert list(buttons_of(s, message)) == ["1", "2", "3", "4", "Again", "Delete", "Report"]
        assert galleries_of(s, message) == [4]
        assert files(message) == await keys(s)
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
        assert await states(s) == ["succeeded", "succeeded", "failed", "succeeded"]
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
        assert await states(s) == ["refused", "succeeded"]
        assert "It wasn't charged." in texts(s)[0]


async def test_only_when_all_of_them_failed_it_is_a_failure(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s, *[Faults(ends_as="failed")] * 3, count=3)
        (shown,) = texts(s)
        assert "That didn't work: Picture, 3 at once" in shown
        assert shown.count("The run failed on the machine") == 1
        assert list(buttons_of(s, s.messages()[0])) == ["1", "2", "3", "Try again"]
        assert pinged(s) == [s.alice.id]
        s.clock.move(seconds=1)
        await s.alice.click(s.messages()[0], label="Try again")
        await s.play()
        assert (await states(s))[3:] == ["succeeded"] * 3


async def test_the_status_tells_how_far_they_are_as_a_whole(tmp_path: Path) -> None:
    async with stage(tmp_path, max_concurrent_runs=2) as s:
        asked = await ask(s, Faults(), HELD, HELD, HELD)
        await s.later(seconds=4)
        shown = text_of(s, asked.response)
        assert "### Generating: Picture, 4 at once" in shown
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
        assert await states(s) == ["succeeded", "cancelled", "cancelled", "cancelled"]
        assert len(s.calls) == 3
        (message,) = s.messages()
        assert "**Picture, 1 of 4**" in text_of(s, message)
        assert text_of(s, message).count("Cancelled, as you asked.") == 3
        assert galleries_of(s, message) == [1]


async def test_cancelled_before_anything_came_the_answer_says_so_in_place(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        asked = await ask(s, *[HELD] * 4)
        await s.alice.click(asked.response.message, label="Cancel")
        await s.play()
        (shown,) = texts(s)
        assert "Cancelled: Picture, 4 at once" in shown
        assert shown.count("Cancelled, as you asked.") == 1
        assert s.messages()[0].id == asked.response.id
        assert pinged(s) == []
        assert len(s.standin.ledger.cancel_calls) == 2  # the machine takes two at once


async def test_one_approval_starts_all_of_them(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask(count=4)
        assert len(c.cards()) == 1
        assert "4 at once, counts 4 runs and about 240 GPU seconds" in text_of(c.s, c.card)
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
        assert "Not approved: Picture, 4 at once" in shown
        assert "a fox" not in shown
        assert len(c.letters()) == 1
        assert c.s.calls == []


async def test_nobody_decides_and_all_of_them_expire(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask(count=4)
        await c.s.later(hours=80)
        assert set(await states(c.s)) == {RunState.EXPIRED}
        assert len(texts(c.s)) == 1
        assert "Nobody decided in time." in c.verdict


async def test_each_number_opens_its_own_picture_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s)
        runs = await s.runs()
        await s.restart()
        one = await open_one(s, s.alice, 2)
        assert one.ephemeral
        shown = text_of(s, one.response)
        assert "Picture: number 2 of 4" in shown
        assert "seed 8" in shown
        labels = ["Again", "Vary ×4", "Edit", "Use as input", "Details", "Delete"]
        assert list(buttons_of(s, one.response)) == labels
        assert all(runs[1].key in custom_id for custom_id in buttons_of(s, one.response).values())
        details = await s.alice.click(one.response.message, label="Details")
        told = text_of(s, details.response)
        assert "seed: 8" in told
        assert "number 2 of 4 at once" in told
        assert "seed:8" in told
        assert "count:" not in told
        s.clock.move(seconds=1)
        await s.alice.click(one.response.message, label="Again")
        await s.play()
        child = (await s.runs())[-1]
        assert (child.parent_key, child.batch_size) == (runs[1].key, 1)
        assert len(s.calls) == 5


async def test_a_picture_of_several_can_go_on_as_input(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s)
        one = await open_one(s, s.alice, 3)
        offered = await s.alice.click(one.response.message, label="Use as input")
        assert offered.ephemeral
        assert "What should I do with this picture?" in text_of(s, offered.response)


async def test_again_repeats_all_of_them_with_new_seeds(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s, count=3)
        await s.restart()
        s.clock.move(seconds=1)
        await s.alice.click(s.messages()[0], label="Again")
        await s.play()
        runs = await s.runs()
        assert [run.batch_index for run in runs] == [0, 1, 2, 0, 1, 2]
        assert {run.parent_key for run in runs[3:]} == {runs[0].key}
        assert len({run.seed for run in runs}) == 6
        assert galleries_of(s, s.messages()[-1]) == [3]


async def test_a_stranger_repeats_and_deletes_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s, count=2)
        message = s.messages()[0]
        refused = await s.bob.click(message, label="Again")
        assert refusal(s, refused) == "Only the person who asked can use this button."
        refused = await s.bob.click(message, label="Delete")
        assert refusal(s, refused) == "Only this server's moderators can do that."


async def test_one_is_deleted_and_the_others_stay(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s)
        first, _, *others = await keys(s)
        one = await open_one(s, s.alice, 2)
        done = await s.alice.click(one.response.message, label="Delete")
        assert done.response.content == "It will be gone in a moment."
        await s.play()
        (message,) = s.messages()
        assert files(message) == [first, *others]
        assert galleries_of(s, message) == [3]
        shown = text_of(s, message)
        assert "**2** It was deleted." in shown
        assert "seed 8" not in shown
        assert "**Picture, 3 of 4**" in shown
        again = await s.alice.click(one.response.message, label="Delete")
        assert refusal(s, again) == "It has already been deleted."
        await s.alice.click(message, label="Delete")
        await s.play()
        assert s.messages() == []
        lines = [line.action for line in await record(s.app.store)]
        assert lines.count("delete") == 4


async def test_a_report_is_about_all_of_them_and_its_delete_takes_all(tmp_path: Path) -> None:
    async with court(tmp_path, rules={"approval": {"mode": "off"}}) as c:
        await c.ask(count=3)
        await c.s.bob.click(c.s.messages()[0], label="Report")
        await c.s.play()
        await c.decide("Delete")
        assert texts(c.s) == []
        assert f"Deleted by <@{c.mona.id}>" in c.verdict


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
        assert files(second) == [(await keys(s))[1]]
        assert "Again" in buttons_of(s, second)
        assert await states(s) == ["succeeded", "succeeded"]


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


DEPLOYMENTS = f"""
[deployments.picture]
deployment_id = "{PICTURE_ID}"
max_count = 10
[deployments.variations]
deployment_id = "{VARIATIONS_ID}"
[deployments.caption]
deployment_id = "{CAPTION_ID}"
"""


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
        expected = [key for key in await keys(s) for _ in range(4)]
        assert files(first) + files(second) == expected
        assert pinged(s) == [s.alice.id]
        # The third stands in both; taken out, it is in neither, and the others are where they were.
        one = await open_one_of(s, first, 3)
        await s.alice.click(one.response.message, label="Delete")
        await s.play()
        first, second = s.messages()
        left = [key for key in expected if key != expected[8]]
        assert files(first) + files(second) == left
        assert [*galleries_of(s, first), *galleries_of(s, second)] == [8, 4]


async def open_one_of(s: Stage, message: Any, number: int) -> Any:
    return await s.alice.click(message, label=str(number))


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
        assert "at once" not in texts(s)[0]


async def test_where_the_channel_is_closed_all_of_them_come_directly(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ask(s, HELD, HELD, count=2)
        s.clock.move(minutes=20)
        s.env.inject_error("POST", f"/channels/{s.channel.id}/messages", status=403, code=50013, times=None)
        s.standin.release()
        await s.play()
        dm = s.alice.user.dm_channel
        result = next(message for message in dm.history() if message.attachments)
        assert files(result) == await keys(s)


async def test_a_moderators_deletion_of_one_takes_it_off_the_reports_card_too(tmp_path: Path) -> None:
    async with court(tmp_path, rules={"approval": {"mode": "off"}}) as c:
        s = c.s
        await c.ask(count=3)
        await s.bob.click(s.messages()[0], label="Report")
        await s.play()
        assert galleries_of(s, c.card) == [3]
        one = await open_one(s, c.mona, 2)
        await c.mona.click(one.response.message, label="Delete")
        await s.play()
        first, _, third = await keys(s)
        assert files(s.messages()[0]) == [first, third]
        assert [each.filename.split("-")[2] for each in c.card.attachments] == [first, third]
        assert galleries_of(s, c.card) == [2]
        assert list(buttons_of(s, c.card)) == ["Delete", "Block", "Dismiss"]
        await c.decide("Delete")
        assert s.messages() == []
        assert c.card.attachments == []
