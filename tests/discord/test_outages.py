"""An outage of any length costs time and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.delivery.retries import MAX_TRIES
from bot.domain.runs import DeliveryState, RunState
from demo.fake_comfydeploy.faults import Faults
from tests.discord.deliveries import ANSWERS, POSTS, delivery_states, every_way_closed
from tests.discord.files import finish_with, pictures
from tests.discord.outages import Party, away, busiest_second, endure
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, galleries_of, pinged, requests_to, text_of
from tests.discord.user_install import OWN_ACCOUNT, elsewhere
from tests.harness import HELD, Harness

LENGTHS = {"5 minutes": timedelta(minutes=5), "3 hours": timedelta(hours=3), "2 days": timedelta(days=2)}
SAMPLES: set[tuple[Party, str]] = {
    ("discord", "2 days"),
    ("database", "5 minutes"),
}
PARTIES: tuple[Party, ...] = ("discord", "comfydeploy", "database", "network")
TABLE = [
    pytest.param(
        party, length, id=f"{party}, {length}", marks=() if (party, length) in SAMPLES else pytest.mark.slow
    )
    for party in PARTIES
    for length in LENGTHS
]
# The number of attempts in an outage is more than any that the bot would count.
STEPS = 2 * MAX_TRIES
DISCORDS_LIMIT = 50


@pytest.mark.bot(run_deadline_seconds=1200)
@pytest.mark.parametrize(("party", "length"), TABLE)
async def test_afterwards_each_outcome_is_shown_once(bot: Harness, party: Party, length: str) -> None:
    await bot.ask(faults=HELD)
    await bot.ask(bot.bob, faults=HELD, prompt="a wolf")
    bot.comfydeploy.next_faults(HELD)
    await bot.alice.slash(bot.channel, "generate", prompt="not begun before")
    await bot.app.store.close()
    for run in bot.comfydeploy.runs:
        run.own_faults = None
    with away(bot, party):
        bot.comfydeploy.release()
        await bot.comfydeploy.idle()
        await endure(bot, LENGTHS[length], STEPS)
    assert await busiest_second(bot, 90) <= DISCORDS_LIMIT
    await bot.release()
    await bot.later(minutes=6, times=8)
    assert len(bot.calls) <= 3
    states = await bot.states()
    assert states[:2] == [RunState.SUCCEEDED, RunState.SUCCEEDED]
    assert len(states) == 3
    assert all(run.final for run in await bot.runs())
    keys = [custom_id.split(":")[1] for message in bot.messages() for custom_id in first_button(bot, message)]
    assert Counter(keys) == Counter(await bot.keys())
    assert sorted(set(pinged(bot))) == sorted([bot.alice.id, bot.bob.id])
    assert set(await delivery_states(bot)) == {DeliveryState.SENT}
    assert not any("Cancel" in buttons_of(bot, message) for message in bot.messages())


def first_button(bot: Harness, message: Any) -> list[str]:
    return list(buttons_of(bot, message).values())[:1]


async def test_the_backlog_of_an_outage_goes_out_at_a_bounded_rate(bot: Harness) -> None:
    count = 20
    bot.env.inject_error("POST", POSTS, status=503, times=None)
    for _ in range(count):
        await bot.ask()
    assert all(run.final for run in await bot.runs())
    await endure(bot, timedelta(hours=3), STEPS)
    during = len(bot.env.http_requests)
    await endure(bot, timedelta(minutes=5), 30)
    # One delivery at a time is tried, about once a minute.
    assert len(bot.env.http_requests) - during <= 2 * 10
    bot.env.backend.faults.clear()
    posts = len(requests_to(bot, "POST", "/messages"))
    assert await busiest_second(bot, 90) <= DISCORDS_LIMIT
    assert len(requests_to(bot, "POST", "/messages")) - posts == count
    assert set(await delivery_states(bot)) == {DeliveryState.SENT}
    assert len(bot.messages()) == len(bot.calls) == count


@pytest.mark.bot(**OWN_ACCOUNT)
async def test_a_user_installs_result_comes_directly_after_an_outage_outlived_its_interaction(
    bot: Harness,
) -> None:
    with elsewhere(bot, "group"):
        answer = await bot.alice.user.slash("generate", prompt="a fox")
    with away(bot, "discord"):
        await endure(bot, timedelta(hours=3), STEPS)
    await bot.later(minutes=10)
    *_, result, note = bot.alice.user.dm_channel.history()
    assert len(result.attachments) == 1
    assert note.content == "I couldn't answer where you asked in time, so here it is."
    assert answer.response.id not in (result.id, note.id)
    assert await delivery_states(bot) == [DeliveryState.SENT]
    assert len(bot.calls) == 1


async def test_a_token_that_was_reset_is_an_outage(bot: Harness) -> None:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    bot.env.inject_error("*", "*", status=401, times=None)
    await endure(bot, timedelta(hours=3), STEPS)
    assert await delivery_states(bot) == [DeliveryState.PENDING]
    bot.env.backend.faults.clear()
    await bot.later(minutes=10, times=2)
    (message,) = bot.messages()
    assert galleries_of(bot, message) == [1]


@pytest.mark.bot(run_deadline_seconds=600)
async def test_a_success_during_a_long_outage_after_the_deadline_is_shown(bot: Harness) -> None:
    await bot.ask(faults=Faults(hold_at="running", cancel_supported=False, webhook_drop=True))
    await bot.later(minutes=5, times=4)
    assert (await bot.run()).state is RunState.TIMED_OUT
    (run,) = bot.comfydeploy.runs
    with away(bot, "network"):
        bot.comfydeploy.release()
        await bot.comfydeploy.idle()
        run.own_faults = None
        await endure(bot, timedelta(days=2), STEPS)
    run.own_faults = Faults(cancel_supported=False)
    await bot.later(minutes=10, times=3)
    (message,) = bot.messages()
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS


# a message that Discord never answers


@pytest.mark.parametrize(
    "direct",
    [
        pytest.param(True, id="a direct message"),
        pytest.param(False, id="no other way", marks=pytest.mark.slow),
    ],
)
async def test_a_message_that_discord_ignores_alone_ends_visibly_after_a_day(
    bot: Harness, direct: bool
) -> None:
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    path = f"/channels/{bot.channel.id}/messages" if direct else POSTS
    bot.env.inject_error("POST", path, status=503, times=None)
    await endure(bot, timedelta(days=1), 24)
    assert await delivery_states(bot) == [DeliveryState.PENDING]
    await endure(bot, timedelta(hours=8), 4)
    assert len(bot.calls) == 1
    if direct:
        assert await delivery_states(bot) == [DeliveryState.SENT]
        assert "couldn't show it as usual" in text_of(bot, bot.alice.user.dm_channel.history()[0])
    else:
        assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]
        assert "I couldn't post it here" in text_of(bot, bot.messages()[0])
        assert asked.response.id == bot.messages()[0].id


# undelivered


async def test_before_a_result_is_left_to_the_list_its_status_message_says_so(bot: Harness) -> None:
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    bot.env.inject_error("POST", POSTS, status=403, code=50013, times=None)
    bot.env.inject_error("PATCH", ANSWERS, status=404, code=10015, times=None)
    await bot.play()
    assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]
    said = text_of(bot, asked.response)
    assert "Couldn't be posted" in said
    assert "This has ended, but I couldn't post it here. Please open `/runs`." in said
    assert list(buttons_of(bot, asked.response)) == ["Delete"]


async def test_a_result_is_not_left_to_the_list_before_its_status_message_says_so(bot: Harness) -> None:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    with every_way_closed(bot):
        bot.env.inject_error("PATCH", POSTS + "/*", status=503, times=None)
        await bot.play()
        assert await delivery_states(bot) == [DeliveryState.PENDING]
        bot.env.backend.faults.pop()
        await bot.later(minutes=1)
        assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]
    (status,) = bot.messages()
    assert "Couldn't be posted" in text_of(bot, status)


# messages that can't be shown as usual


@contextmanager
def stumbling(bot: Harness, when: Callable[[str], bool], error: Exception) -> Iterator[None]:
    """Let the library fail on each post or edit whose body `when` picks."""
    http = bot.app.bot.http
    before = http.request

    async def stumbles(route: Any, **kwargs: Any) -> Any:
        body = str(kwargs.get("json")) + str(kwargs.get("form"))
        if route.method in ("POST", "PATCH") and "/messages" in route.path and when(body):
            raise error
        return await before(route, **kwargs)

    http.request = stumbles  # type: ignore[method-assign]
    yield
    http.request = before  # type: ignore[method-assign]


def refused(status: int = 400, code: int = 50035) -> discord.HTTPException:
    answer: Any = SimpleNamespace(status=status, reason="Bad Request")
    return discord.HTTPException(answer, {"code": code, "message": "no"})


BROKEN = ValueError("a fault of the library's")


async def test_whatever_fails_with_files_ends_as_links(bot: Harness) -> None:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    with stumbling(bot, lambda body: "attachment://" in body, BROKEN):
        await bot.later(minutes=1, times=8)
    (message,) = bot.messages()
    assert not message.attachments
    assert "I couldn't attach " in text_of(bot, message)
    assert f": [open it]({bot.comfydeploy.root}" in text_of(bot, message)
    assert pinged(bot) == [bot.alice.id]


async def test_whatever_fails_as_usual_ends_as_a_sentence_with_the_links(bot: Harness) -> None:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    with stumbling(bot, lambda body: ":again" in body, BROKEN):
        await bot.later(minutes=2, times=10)
    (message,) = bot.messages()
    assert "This is done, but I couldn't show it as usual. Here it is, plainly:" in text_of(bot, message)
    assert f"]({bot.comfydeploy.root}" in text_of(bot, message)
    assert list(buttons_of(bot, message)) == ["More", "Delete"]
    assert pinged(bot) == [bot.alice.id]
    assert await delivery_states(bot) == [DeliveryState.SENT]
    await bot.click(message, "Delete")
    assert bot.messages() == []


async def test_a_failure_that_cannot_be_shown_as_usual_is_told_plainly(bot: Harness) -> None:
    bot.comfydeploy.next_faults(Faults(ends_as="failed"))
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    with stumbling(bot, lambda body: ":again" in body, BROKEN):
        await bot.later(minutes=2, times=10)
    (message,) = bot.messages()
    assert "This has ended without a result. Press Details to see your request." in text_of(bot, message)


@pytest.mark.parametrize(
    ("marks", "said"),
    [("attachment://", "I couldn't attach "), (":again", "I couldn't show it as usual")],
    ids=["its files", "all of it"],
)
async def test_a_message_that_discord_finds_fault_with_is_simplified_at_once(
    bot: Harness, marks: str, said: str
) -> None:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    with stumbling(bot, lambda body: marks in body, refused()):
        await bot.play()
    (message,) = bot.messages()
    assert said in text_of(bot, message)
    assert await delivery_states(bot) == [DeliveryState.SENT]


async def test_the_links_of_a_half_posted_result_follow_it_once(bot: Harness) -> None:
    await finish_with(bot, pictures(12))
    parts: list[str] = []

    def second(body: str) -> bool:
        parts.extend(["part"] if "attachment://" in body else [])
        return len(parts) > 1 and "attachment://" in body

    bot.env.inject_error("DELETE", "*", status=503, times=3)
    with stumbling(bot, second, BROKEN):
        await bot.later(minutes=2, times=10)
    await bot.later(minutes=11, times=4)
    first, links = bot.messages()
    assert galleries_of(bot, first) == [10]
    assert links.content.count("I couldn't attach ") == 12
    assert await delivery_states(bot) == [DeliveryState.SENT]


@pytest.mark.slow
async def test_a_message_without_answer_while_others_get_theirs_is_simplified(bot: Harness) -> None:
    """Discord may fail every time on a file that it can't process."""
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    first = (await bot.run()).key
    silent = refused(500, 0)
    with stumbling(bot, lambda body: first in body and "attachment://" in body, silent):
        for _ in range(12):
            await bot.later(minutes=11)
            await bot.ask(prompt="another")
        await bot.later(minutes=11, times=2)
    simplified = [message for message in bot.messages() if not message.attachments]
    assert ["I couldn't attach " in text_of(bot, message) for message in simplified] == [True]
    assert len(bot.messages()) == 13
