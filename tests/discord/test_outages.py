"""An outage of any length costs time and nothing else."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.domain.runs import RunState
from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import delete
from tests.discord.deliveries import POSTS, delivery_states, end_runs, every_way_closed
from tests.discord.files import finish_with, pictures
from tests.discord.outages import Party, away, busiest_second, endure, failing_library
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, galleries_of, pinged, requests_to, text_of
from tests.harness import HELD, Harness
from tests.sampling import every_nth

LENGTHS = {"5 minutes": timedelta(minutes=5), "3 hours": timedelta(hours=3), "2 days": timedelta(days=2)}
PARTIES: tuple[Party, ...] = ("discord", "comfydeploy", "database", "network")
SAMPLES: set[tuple[Party, str]] = {("discord", "3 hours"), ("database", "5 minutes")}
TABLE = [
    pytest.param(*case, marks=() if case in SAMPLES else pytest.mark.slow)
    for case in product(PARTIES, LENGTHS)
]
# The number of attempts in an outage is more than any that the bot would count.
STEPS = 40
DISCORDS_LIMIT = 50


@pytest.mark.bot(run_deadline_seconds=1200)
@pytest.mark.parametrize(("party", "length"), TABLE)
async def test_afterwards_each_outcome_is_shown_once(bot: Harness, party: Party, length: str) -> None:
    await bot.ask(faults=HELD)
    await bot.ask(bot.bob, faults=HELD, prompt="a wolf")
    bot.comfydeploy.next_faults(HELD)
    await bot.alice.slash(bot.channel, "generate", prompt="not begun before")
    for run in bot.comfydeploy.runs:
        run.own_faults = None
    async with away(bot, party):
        await end_runs(bot)
        await endure(bot, LENGTHS[length], STEPS)
    assert await busiest_second(bot, until_sent=2) <= DISCORDS_LIMIT
    await bot.release()
    await bot.later(minutes=6, times=8)
    assert len(bot.calls) <= 3
    states = await bot.states()
    assert states[:2] == [RunState.SUCCEEDED, RunState.SUCCEEDED]
    assert len(states) == 3
    assert all(run.final for run in await bot.runs())
    keys = [next(iter(buttons_of(bot, message).values())).split(":")[1] for message in bot.messages()]
    assert sorted(keys) == sorted(await bot.keys())
    assert sorted(set(pinged(bot))) == sorted([bot.alice.id, bot.bob.id])
    assert set(await delivery_states(bot)) == {"sent"}
    assert not any("Cancel" in buttons_of(bot, message) for message in bot.messages())


async def test_the_backlog_of_an_outage_goes_out_at_a_bounded_rate(bot: Harness) -> None:
    count = 20
    bot.env.inject_error("POST", POSTS, status=503, times=None)
    for number in range(count):
        actor = bot.alice if number % 2 else bot.bob
        await actor.slash(bot.channel, "generate", prompt="a fox")
    await bot.play()
    assert all(run.final for run in await bot.runs())
    await endure(bot, timedelta(hours=3), STEPS)
    bot.env.backend.faults.clear()
    posts = len(requests_to(bot, "POST", "/messages"))
    assert await busiest_second(bot, until_sent=count) <= DISCORDS_LIMIT
    assert len(requests_to(bot, "POST", "/messages")) - posts == count
    assert len(bot.messages()) == len(bot.calls) == count


async def test_a_token_that_was_reset_is_an_outage(bot: Harness) -> None:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    bot.env.inject_error("*", "*", status=401, times=None)
    await endure(bot, timedelta(hours=3), STEPS)
    assert await delivery_states(bot) == ["pending"]
    bot.env.backend.faults.clear()
    await bot.later(minutes=10, times=2)
    (message,) = bot.messages()
    assert galleries_of(bot, message) == [1]


@pytest.mark.parametrize("direct", [True, pytest.param(False, marks=pytest.mark.slow)])
async def test_a_message_that_discord_ignores_ends_visibly_within_a_day(bot: Harness, direct: bool) -> None:
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    path = f"/channels/{bot.channel.id}/messages" if direct else POSTS
    bot.env.inject_error("POST", path, status=503, times=None)
    await endure(bot, timedelta(hours=1), 24)
    assert await delivery_states(bot) == ["pending"]
    await endure(bot, timedelta(hours=23), 200)
    assert len(bot.calls) == 1
    if direct:
        assert await delivery_states(bot) == ["sent"]
        assert galleries_of(bot, bot.alice.user.dm_channel.history()[0]) == [1]
    else:
        assert await delivery_states(bot) == ["undelivered"]
        assert "I couldn't post it here" in text_of(bot, bot.messages()[0])
        assert asked.response.id == bot.messages()[0].id


async def test_a_result_is_not_left_to_the_list_before_its_status_message_says_so(bot: Harness) -> None:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    with every_way_closed(bot):
        bot.env.inject_error("PATCH", POSTS + "/*", status=503, times=None)
        await bot.play()
        assert await delivery_states(bot) == ["pending"]
        bot.env.backend.faults.pop()
        await bot.later(minutes=1)
        assert await delivery_states(bot) == ["undelivered"]
    (status,) = bot.messages()
    assert "Couldn't be posted" in text_of(bot, status)


def refused(status: int = 400, code: int = 50035) -> discord.HTTPException:
    answer: Any = SimpleNamespace(status=status, reason="Bad Request")
    return discord.HTTPException(answer, {"code": code, "message": "no"})


BROKEN = ValueError("a fault of the library's")


@pytest.mark.parametrize(
    "error", every_nth([BROKEN, refused()], 2), ids=["the library fails", "Discord refuses"]
)
@pytest.mark.parametrize(
    ("broken", "said", "buttons"),
    [
        ("attachment://", ": [open it]({}", [label for label in RESULT_BUTTONS if label != "Use as input"]),
        (":again", "I couldn't show it as usual. Here it is, plainly:", ["⋯ More"]),
    ],
    ids=["its files", "all of it"],
)
async def test_a_message_that_fails_is_simplified(
    bot: Harness, broken: str, said: str, buttons: list[str], error: Exception
) -> None:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    with failing_library(bot, lambda body: broken in body, error):
        await bot.play()
        # Another attempt may help, except after a refusal.
        assert (await delivery_states(bot) == ["pending"]) is (error is BROKEN)
        await bot.later(minutes=2, times=10)
    (message,) = bot.messages()
    assert said.format(bot.comfydeploy.root) in text_of(bot, message)
    assert f"]({bot.comfydeploy.root}" in text_of(bot, message)
    assert not message.attachments
    assert list(buttons_of(bot, message)) == buttons
    assert pinged(bot) == [bot.alice.id]
    assert await delivery_states(bot) == ["sent"]
    await delete(bot, message)
    assert bot.messages() == []


async def test_a_private_layout_that_discord_refuses_becomes_a_sentence(
    bot: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    await bot.ask()
    await bot.release()
    bot.env.inject_error("POST", "/interactions/*/*/callback", status=400, code=50035, times=1)
    pressed = await bot.click(bot.messages()[0], "⋯ More")
    assert text_of(bot, pressed.response.message).startswith("Something went wrong here")
    assert "failed to handle an interaction" in caplog.text


async def test_a_failure_that_cannot_be_shown_as_usual_is_told_plainly(bot: Harness) -> None:
    bot.comfydeploy.next_faults(Faults(ends_as="failed"))
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    with failing_library(bot, lambda body: ":again" in body, BROKEN):
        await bot.later(minutes=2, times=10)
    (message,) = bot.messages()
    assert "This has ended without a result. Press Details to see your request." in text_of(bot, message)


async def test_the_links_of_a_half_posted_result_follow_it_once(bot: Harness) -> None:
    await finish_with(bot, pictures(12))
    parts: list[str] = []

    def second(body: str) -> bool:
        parts.extend(["part"] if "attachment://" in body else [])
        return len(parts) > 1 and "attachment://" in body

    bot.env.inject_error("DELETE", "*", status=503, times=3)
    with failing_library(bot, second, BROKEN):
        await bot.later(minutes=2, times=10)
    await bot.later(minutes=11, times=4)
    first, links = bot.messages()
    assert galleries_of(bot, first) == [10]
    assert links.content.count("I couldn't attach ") == 2
    assert await delivery_states(bot) == ["sent"]


@pytest.mark.slow
async def test_a_message_without_answer_while_others_get_theirs_is_simplified(bot: Harness) -> None:
    """Discord may fail every time on a file that it can't process.

    As no other message is posted meanwhile, thirty failures count as a refusal.
    """
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    first = (await bot.run()).key
    silent = refused(500, 0)
    with failing_library(bot, lambda body: first in body and "attachment://" in body, silent):
        for _ in range(3):
            await bot.later(minutes=11, times=10)
            await bot.ask(prompt="another")
    simplified = [message for message in bot.messages() if not message.attachments]
    assert ["I couldn't attach " in text_of(bot, message) for message in simplified] == [True]
    assert len(bot.messages()) == 4
