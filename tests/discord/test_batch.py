"""Several at once: one request, several runs with their own seeds, one result."""

from __future__ import annotations

import pytest

from bot.domain.runs import Run
from demo.fake_comfydeploy.faults import Faults
from tests.discord.batches import DEPLOYMENTS, ask, files, open_one
from tests.discord.rendered import buttons_of, galleries_of, pinged, text_of, texts
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
    assert "**1** seed 7 · **2** seed 8 · **3** seed 9 · **4** seed 10" in shown
    assert list(buttons_of(bot, message)) == ["1", "2", "3", "4", "Again ×4", "Delete"]
    assert galleries_of(bot, message) == [4]
    assert files(message) == await bot.keys()
    assert [each.description for each in message.attachments] == [f"{n}: a fox" for n in range(1, 5)]
    assert [call.body["inputs"]["seed"] for call in bot.calls] == [7, 8, 9, 10]
    assert pinged(bot) == [bot.alice.id]


async def test_seeds_that_nobody_gave_are_drawn_for_each(bot: Harness) -> None:
    await bot.ask(count=3)
    seeds = [call.body["inputs"]["seed"] for call in bot.calls]
    assert len(set(seeds)) == 3
    assert max(seeds) - min(seeds) > 2


async def test_one_that_fails_does_not_sink_the_others(bot: Harness) -> None:
    await ask(bot, Faults(), Faults(), Faults(ends_as="failed"))
    assert await bot.states() == ["succeeded", "succeeded", "failed", "succeeded"]
    (message,) = bot.messages()
    shown = text_of(bot, message)
    assert "**Picture, 3 of 4**" in shown
    assert "**3** The run failed on the machine" in shown
    assert "seed 9" not in shown
    assert galleries_of(bot, message) == [3]
    assert list(buttons_of(bot, message))[:4] == ["1", "2", "3", "4"]
    one = await open_one(bot, bot.alice, 3)
    assert one.ephemeral
    assert "Picture: number 3 of 4" in text_of(bot, one.response)
    assert list(buttons_of(bot, one.response)) == ["Try again", "Edit", "Details"]


async def test_one_that_was_never_started_is_said_not_to_be_charged(bot: Harness) -> None:
    await ask(bot, Faults(queue_status=401), count=2)
    assert await bot.states() == ["refused", "succeeded"]
    assert "Nothing was charged." in texts(bot)[0]


async def test_only_when_all_of_them_failed_it_is_a_failure(bot: Harness) -> None:
    await ask(bot, *[Faults(ends_as="failed")] * 3, count=3)
    (shown,) = texts(bot)
    assert "That didn't work: Picture ×3" in shown
    assert shown.count("The run failed on the machine") == 1
    assert list(buttons_of(bot, bot.messages()[0])) == ["1", "2", "3", "Try again ×3", "Delete"]
    assert pinged(bot) == [bot.alice.id]
    await bot.click(bot.messages()[0], "Try again ×3")
    assert (await bot.states())[3:] == ["succeeded"] * 3


@pytest.mark.bot(run_deadline_seconds=600)
async def test_a_success_after_the_deadline_comes_by_itself_and_the_result_stays(bot: Harness) -> None:
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


@pytest.mark.bot(deployments=DEPLOYMENTS)
async def test_ten_at_once_fit_into_one_message(bot: Harness) -> None:
    await bot.ask(command="generate picture", count=10)
    (message,) = bot.messages()
    assert galleries_of(bot, message) == [10]
    assert list(buttons_of(bot, message)) == ["Open one", "Again ×10", "Delete"]
    numbers = await bot.alice.click(message, label="Open one")
    assert numbers.ephemeral
    assert list(buttons_of(bot, numbers.response)) == [str(number) for number in range(1, 11)]
    assert galleries_of(bot, numbers.response) == [10]
    one = await bot.alice.click(numbers.response.message, label="7")
    assert "number 7 of 10" in text_of(bot, one.response)
    assert galleries_of(bot, one.response) == [1]


@pytest.mark.bot(deployments=DEPLOYMENTS)
async def test_several_pictures_of_several_runs_go_on_in_further_messages(bot: Harness) -> None:
    await bot.ask(command="generate variations", batch=4, count=4)
    first, second = bot.messages()
    assert [*galleries_of(bot, first), *galleries_of(bot, second)] == [10, 6]
    expected = [key for key in await bot.keys() for _ in range(4)]
    assert files(first) + files(second) == expected
    assert pinged(bot) == [bot.alice.id]
    # The third stands in both; taken out, it is in neither, and the others are where they were.
    one = await bot.alice.click(first, label="3")
    more = await bot.alice.click(one.response.message, label="More")
    await bot.click(more.response.message, "Delete")
    first, second = bot.messages()
    left = [key for key in expected if key != expected[8]]
    assert files(first) + files(second) == left
    assert [*galleries_of(bot, first), *galleries_of(bot, second)] == [8, 4]


@pytest.mark.bot(deployments=DEPLOYMENTS)
async def test_words_of_each_stand_under_its_number(bot: Harness) -> None:
    await bot.ask(command="generate caption", count=2)
    (message,) = bot.messages()
    shown = text_of(bot, message)
    assert "**1**\n" in shown
    assert "**2**\n" in shown
    assert shown.count("after the words") == 2
    assert not message.attachments


@pytest.mark.parametrize("count", [0, 5])
async def test_a_number_that_is_not_offered_is_refused(bot: Harness, count: int) -> None:
    with pytest.raises(Exception, match="count"):
        await bot.alice.slash(bot.channel, "generate", prompt="a fox", count=count)
    assert await bot.runs() == []


async def test_one_at_once_is_a_request_by_itself(bot: Harness) -> None:
    await ask(bot, count=1)
    run: Run = await bot.run()
    assert (run.batch_key, run.batch_size) == (run.key, 1)
    assert "×" not in texts(bot)[0]


async def test_where_the_channel_is_closed_all_of_them_come_directly(bot: Harness) -> None:
    await ask(bot, HELD, HELD, count=2)
    bot.clock.move(minutes=20)
    bot.env.inject_error("POST", f"/channels/{bot.channel.id}/messages", status=403, code=50013, times=None)
    await bot.release()
    dm = bot.alice.user.dm_channel
    result = next(message for message in dm.history() if message.attachments)
    assert files(result) == await bot.keys()
