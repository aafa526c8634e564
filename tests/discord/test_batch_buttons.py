"""The buttons under several at once: one by its number, or all of them."""

from __future__ import annotations

from tests.contract.store.rows import audit_log
from tests.discord.batches import ask, files, open_more, open_one
from tests.discord.rendered import buttons_of, galleries_of, refusal, text_of
from tests.harness import Harness


async def test_each_number_opens_its_own_picture_after_a_restart(bot: Harness) -> None:
    await ask(bot)
    runs = await bot.runs()
    await bot.restart()
    one = await open_one(bot, bot.alice, 2)
    assert one.ephemeral
    shown = text_of(bot, one.response)
    assert "Picture: number 2 of 4" in shown
    assert "seed 8" in shown
    labels = ["Again", "4 more", "Edit", "Use as input", "Post", "More"]
    assert list(buttons_of(bot, one.response)) == labels
    assert all(runs[1].key in custom_id for custom_id in buttons_of(bot, one.response).values())
    more = (await bot.alice.click(one.response.message, label="More")).response.message
    assert list(buttons_of(bot, more)) == ["Details", "Delete"]
    details = await bot.alice.click(more, label="Details")
    told = text_of(bot, details.response)
    assert "**seed** 8" in told
    assert "number 2 of 4" in told
    assert "seed:8" in told
    assert "count:" not in told
    await bot.click(one.response.message, "Again")
    child = (await bot.runs())[-1]
    assert (child.parent_key, child.batch_size) == (runs[1].key, 1)
    assert len(bot.calls) == 5


async def test_a_picture_of_several_can_go_on_as_input(bot: Harness) -> None:
    await ask(bot)
    one = await open_one(bot, bot.alice, 3)
    form = await bot.alice.click(one.response.message, label="Use as input")
    await bot.alice.submit_modal(form, {"prompt": "a lion"})
    await bot.play()
    runs = await bot.runs()
    assert runs[-1].parent_key == runs[2].key
    assert runs[2].key in bot.calls[-1].body["inputs"]["image"]


async def test_again_repeats_all_of_them_with_new_seeds(bot: Harness) -> None:
    await ask(bot, count=3)
    await bot.restart()
    await bot.click(bot.messages()[0], "Again ×3")
    runs = await bot.runs()
    assert [run.batch_index for run in runs] == [0, 1, 2, 0, 1, 2]
    assert {run.parent_key for run in runs[3:]} == {runs[0].key}
    assert len({run.seed for run in runs}) == 6
    assert galleries_of(bot, bot.messages()[-1]) == [3]


async def test_one_is_deleted_and_the_others_stay(bot: Harness) -> None:
    await ask(bot)
    first, _, *others = await bot.keys()
    more = await open_more(bot, bot.alice, 2)
    done = await bot.alice.click(more, label="Delete")
    assert done.response.content == "It will be deleted in a moment."
    await bot.play()
    (message,) = bot.messages()
    assert files(message) == [first, *others]
    assert galleries_of(bot, message) == [3]
    shown = text_of(bot, message)
    assert "**2** Deleted." in shown
    assert "seed 8" not in shown
    assert "**Picture, 3 of 4**" in shown
    again = await bot.alice.click(more, label="Delete")
    assert refusal(bot, again) == "This has already been deleted."
    await bot.click(message, "Delete")
    assert bot.messages() == []
    lines = [line.action for line in await audit_log(bot.app.store)]
    assert lines.count("delete") == 4
