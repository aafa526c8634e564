"""The buttons under several at once: one by its number, or all of them."""

from __future__ import annotations

from pathlib import Path

from tests.contract.store.stored import record
from tests.discord.seen import buttons_of, galleries_of, refusal, text_of
from tests.discord.several import ask, files, open_one
from tests.stage import stage


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
        assert "**seed** 8" in told
        assert "number 2 of 4" in told
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
        first, _, *others = await s.keys()
        one = await open_one(s, s.alice, 2)
        done = await s.alice.click(one.response.message, label="Delete")
        assert done.response.content == "It will be gone in a moment."
        await s.play()
        (message,) = s.messages()
        assert files(message) == [first, *others]
        assert galleries_of(s, message) == [3]
        shown = text_of(s, message)
        assert "**2** Deleted." in shown
        assert "seed 8" not in shown
        assert "**Picture, 3 of 4**" in shown
        again = await s.alice.click(one.response.message, label="Delete")
        assert refusal(s, again) == "It has already been deleted."
        await s.alice.click(message, label="Delete")
        await s.play()
        assert s.messages() == []
        lines = [line.action for line in await record(s.app.store)]
        assert lines.count("delete") == 4
