"""Batches: one request, several runs with their own seeds, one result, and its buttons."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import delete, press_behind, press_delete, submit
from tests.discord.batches import DEPLOYMENTS, ask, files, open_more, open_one
from tests.discord.deliveries import close_channel, die_at_a_post, end_runs
from tests.discord.rendered import buttons_of, galleries_of, pinged, refusal, text_of, texts
from tests.harness import HELD, Harness


async def test_four_at_once_come_as_one_result_with_their_own_seeds(bot: Harness) -> None:
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox", seed=7, count=4)
    assert "Picture ×4" in text_of(bot, asked.response)
    assert list(buttons_of(bot, asked.response)) == ["Cancel"]
    await bot.play()
    (message,) = bot.messages()
    shown = text_of(bot, message)
    assert f"<@{bot.alice.id}> **Picture ×4**" in shown
    assert "> a fox" in shown
    assert "Seeds: **1:** 7 · **2:** 8 · **3:** 9 · **4:** 10" in shown
    assert list(buttons_of(bot, message)) == ["1", "2", "3", "4", "4 more", "Edit", "⋯ More"]
    assert galleries_of(bot, message) == [4]
    assert files(message) == await bot.keys()
    assert [each.description for each in message.attachments] == [f"{n}: a fox" for n in range(1, 5)]
    assert [call.body["inputs"]["seed"] for call in bot.calls] == [7, 8, 9, 10]
    assert pinged(bot) == [bot.alice.id]


async def test_a_failed_run_leaves_the_others_their_result(bot: Harness) -> None:
    await ask(bot, Faults(), Faults(), Faults(ends_as="failed"))
    assert await bot.states() == ["succeeded", "succeeded", "failed", "succeeded"]
    (message,) = bot.messages()
    shown = text_of(bot, message)
    assert "**Picture, 3 of 4**" in shown
    assert "**3** This one didn't work" in shown
    assert "**3** 9" not in shown
    assert galleries_of(bot, message) == [3]
    assert list(buttons_of(bot, message))[:4] == ["1", "2", "3", "4"]
    one = await open_one(bot, bot.alice, 3)
    assert one.ephemeral
    assert "Picture: number 3" in text_of(bot, one.response)
    assert list(buttons_of(bot, one.response)) == ["Try again", "Edit", "Details"]


async def test_it_is_a_failure_only_if_all_of_them_failed(bot: Harness) -> None:
    await ask(bot, *[Faults(ends_as="failed")] * 3, count=3)
    (shown,) = texts(bot)
    assert "Failed: Picture ×3" in shown
    assert shown.count("This one didn't work") == 1
    assert list(buttons_of(bot, bot.messages()[0])) == ["Try again ×3", "Edit", "⋯ More"]
    assert pinged(bot) == [bot.alice.id]
    await bot.click(bot.messages()[0], "Try again ×3")
    assert (await bot.states())[3:] == ["succeeded"] * 3


@pytest.mark.bot(deployments=DEPLOYMENTS)
async def test_ten_at_once_fit_into_one_message(bot: Harness) -> None:
    message = await bot.made(command="generate picture", count=10)
    assert galleries_of(bot, message) == [10]
    numbers = [str(number) for number in range(1, 11)]
    assert list(buttons_of(bot, message)) == [*numbers, "4 more", "Edit", "⋯ More"]
    one = await bot.alice.click(message, label="7")
    assert "number 7" in text_of(bot, one.response)
    assert galleries_of(bot, one.response) == [1]


@pytest.mark.bot(deployments=DEPLOYMENTS)
async def test_several_pictures_of_several_runs_go_on_in_further_messages(bot: Harness) -> None:
    await bot.ask(command="generate variations", batch=4, count=4)
    first, second = bot.messages()
    assert [*galleries_of(bot, first), *galleries_of(bot, second)] == [10, 6]
    expected = [key for key in await bot.keys() for _ in range(4)]
    assert files(first, second) == expected
    assert pinged(bot) == [bot.alice.id]
    numbers = [str(number) for number in range(1, 17)]
    assert list(buttons_of(bot, first)) == [*numbers[:10], "4 more", "Edit", "⋯ More"]
    assert list(buttons_of(bot, second)) == numbers[10:]
    twelfth = await bot.alice.click(second, label="12")
    assert "number 12" in text_of(bot, twelfth.response)
    assert galleries_of(bot, twelfth.response) == [1]
    # The third stands in both; taken out, it is in neither, and the others are where they were.
    one = await bot.alice.click(first, label="10")
    assert galleries_of(bot, one.response) == [1]
    await delete(bot, one.response.message)
    first, second = bot.messages()
    left = [key for key in expected if key != expected[8]]
    assert files(first, second) == left
    assert [*galleries_of(bot, first), *galleries_of(bot, second)] == [8, 4]
    assert list(buttons_of(bot, first)) == [*numbers[:9], "4 more", "Edit", "⋯ More"]
    assert list(buttons_of(bot, second)) == numbers[12:]
    assert "Deleted." in text_of(bot, (await bot.alice.click(first, label="9")).response)


@pytest.mark.bot(deployments=DEPLOYMENTS)
async def test_a_crash_between_two_messages_changes_no_number(bot: Harness) -> None:
    await bot.ask(command="generate variations", batch=12, faults=HELD)
    await end_runs(bot)
    await die_at_a_post(bot, nth=2)
    await bot.restart()
    await bot.later(minutes=2)
    *_, first, second = bot.messages()
    assert [galleries_of(bot, first), galleries_of(bot, second)] == [[10], [2]]
    assert list(buttons_of(bot, second)) == ["11", "12"]


@pytest.mark.bot(deployments=DEPLOYMENTS)
async def test_a_number_opens_a_text(bot: Harness) -> None:
    message = await bot.made(command="generate caption", prompt="a fox", count=2)
    one = await bot.alice.click(message, label="2")
    heading, prompt, *words, _ = text_of(bot, one.response).splitlines()
    assert (heading, prompt) == ("### Caption: number 2", "> a fox")
    assert "\n".join(words) in text_of(bot, message)
    assert words


async def test_a_number_links_what_no_message_shows(bot: Harness) -> None:
    bot.env.inject_error("POST", f"/channels/{bot.channel.id}/messages", status=413)
    message = await bot.made(count=2)
    assert message.attachments == []
    one = await bot.alice.click(message, label="2")
    assert "[open it](http" in text_of(bot, one.response)


async def test_with_the_channel_closed_all_of_them_come_directly(bot: Harness) -> None:
    await ask(bot, HELD, HELD, count=2)
    bot.clock.move(minutes=20)
    close_channel(bot)
    await bot.release()
    (result, _) = bot.alice.user.dm_channel.history()
    assert files(result) == await bot.keys()


async def test_each_number_opens_its_own_picture_after_a_restart(bot: Harness) -> None:
    await ask(bot)
    runs = await bot.runs()
    await bot.restart()
    one = await open_one(bot, bot.alice, 2)
    assert one.ephemeral
    shown = text_of(bot, one.response)
    assert "Picture: number 2" in shown
    assert "seed 8" in shown.lower()
    labels = ["Again", "4 more", "Edit", "Use as input", "Post", "Save preset", "Details", "Delete"]
    assert list(buttons_of(bot, one.response)) == labels
    assert all(runs[1].key in custom_id for custom_id in buttons_of(bot, one.response).values())
    details = await bot.alice.click(one.response.message, label="Details")
    told = text_of(bot, details.response)
    assert "**seed:** 8" in told
    assert "number 2 of 4" in told
    (command,) = (line for line in told.splitlines() if line.startswith("/generate "))
    assert command.endswith(" seed:8")
    await bot.click(one.response.message, "Again")
    child = (await bot.runs())[-1]
    assert (child.request.parent_key, child.request.count) == (runs[1].key, 1)
    assert len(bot.calls) == 5


async def test_a_picture_of_several_can_go_on_as_input(bot: Harness) -> None:
    await ask(bot)
    one = await open_one(bot, bot.alice, 3)
    form = await press_behind(bot, one.response.message, "Use as input", bot.alice)
    await submit(bot, form, {"prompt": "a lion"})
    runs = await bot.runs()
    assert runs[-1].request.parent_key == runs[2].key
    assert runs[2].key in bot.calls[-1].body["inputs"]["image"]


async def test_again_repeats_all_of_them_with_new_seeds(bot: Harness) -> None:
    await ask(bot, count=3)
    await bot.restart()
    await press_behind(bot, bot.messages()[0], "Again ×3")
    await bot.play()
    runs = await bot.runs()
    assert [run.index for run in runs] == [0, 1, 2, 0, 1, 2]
    assert {run.request.parent_key for run in runs[3:]} == {runs[0].key}
    assert len({run.seed for run in runs}) == 6
    assert galleries_of(bot, bot.messages()[-1]) == [3]


async def test_one_is_deleted_and_the_others_stay(bot: Harness) -> None:
    await ask(bot)
    first, _, *others = await bot.keys()
    more, other = [await open_more(bot, bot.alice, 2) for _ in range(2)]
    done = await press_delete(bot, more, bot.alice)
    assert text_of(bot, done.response) == "Deleted."
    (message,) = bot.messages()
    assert files(message) == [first, *others]
    assert galleries_of(bot, message) == [3]
    shown = text_of(bot, message)
    assert "**2** Deleted." in shown
    assert "seed 8" not in shown.lower()
    assert "**Picture ×4**" in shown
    again = await bot.alice.click(other, label="Delete")
    assert refusal(bot, again) == "This has already been deleted."
    await delete(bot, message)
    assert bot.messages() == []
    lines = [line.action for line in await bot.audit()]
    assert lines.count("delete") == 2


@pytest.mark.bot(run_deadline_seconds=600)
async def test_a_late_success_has_its_own_message_and_the_result_stays(bot: Harness) -> None:
    late = Faults(hold_at="running", success_after_cancel=True, cancel_supported=False)
    await ask(bot, Faults(), late, count=2)
    await bot.later(minutes=5, times=4)
    (result,) = bot.messages()
    assert "**2** The run took too long" in text_of(bot, result)
    await bot.release()
    await bot.later(hours=3)
    first, second = bot.messages()
    assert first.id == result.id
    assert files(second) == [(await bot.keys())[1]]
    assert "Again" in buttons_of(bot, second)
    assert await bot.states() == ["succeeded", "succeeded"]


async def test_a_batch_in_a_direct_message_offers_no_post_in_the_channel(bot: Harness) -> None:
    await ask(bot, HELD, HELD, count=2)
    close_channel(bot)
    await bot.later(minutes=20)
    await bot.release()
    letter = next(each for each in bot.alice.user.dm_channel.history() if each.attachments)
    one = await bot.alice.user.click(letter, label="2")
    labels = ["Again", "4 more", "Edit", "Use as input", "Save preset", "Details", "Delete"]
    assert list(buttons_of(bot, one.response)) == labels
