"""User installs: everything goes through the interaction while it lives, and then a direct message."""

from __future__ import annotations

from typing import Any

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import open_details, press_delete
from tests.discord.deliveries import close_direct_messages, delivery_states, end_runs
from tests.discord.deployments import ADULT
from tests.discord.files import end_with, pictures, song
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, galleries_of, refusal, text_of
from tests.discord.user_install import OWN_ACCOUNT, Place, elsewhere
from tests.harness import HELD, Harness

pytestmark = pytest.mark.bot(**OWN_ACCOUNT)

PLACES: list[Place] = ["group", "foreign server", "foreign thread"]


def by_token(bot: Harness) -> list[Any]:
    """Return the bot's requests to channels by its own token, none of which could work there."""
    return [each for each in bot.env.http_requests if "/channels/" in each.path]


def shown(bot: Harness) -> list[Any]:
    return [m for m in bot.alice.user.dm_channel.history() if not m.flags.ephemeral]


async def under_way(bot: Harness, place: Place) -> Any:
    """Send a request whose run is held."""
    bot.comfydeploy.next_faults(HELD)
    answer = await asked(bot, place)
    await bot.play()
    return answer


async def asked(bot: Harness, place: Place, **options: Any) -> Any:
    with elsewhere(bot, place):
        return await bot.alice.user.slash("generate", **{"prompt": "a fox", **options})


@pytest.mark.parametrize("place", PLACES)
async def test_the_answer_becomes_the_result(bot: Harness, place: Place) -> None:
    bot.comfydeploy.next_faults(HELD)
    answer = await asked(bot, place)
    said = text_of(bot, answer.response)
    assert "I'm not a member here, so I can answer for 15 minutes." in said
    assert "`/runs` shows where to find a result that takes longer." in said
    await bot.play()
    await bot.release()
    (message,) = shown(bot)
    assert message.id == answer.response.id
    assert len(message.attachments) == 1
    assert "> a fox" in text_of(bot, message)
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    assert by_token(bot) == []
    assert await delivery_states(bot) == ["sent"]
    run = await bot.run()
    assert (run.request.guild_id, run.request.user_install) == (None, True)


@pytest.mark.bot(allow_direct_messages=True, allow_user_installs=False)
async def test_without_the_operators_word_it_is_not_offered_and_refused_all_the_same(bot: Harness) -> None:
    refused = await asked(bot, "group")
    assert refusal(bot, refused).startswith("I can't be used from your own account any more.")
    await bot.play()
    assert bot.calls == []
    generate = bot.env.backend.find_command("generate", None, type=1)
    assert (generate["contexts"], generate["integration_types"]) == ([0, 1], [0])
    await bot.restart(allow_direct_messages=False)
    for name, contexts in (("generate", [0]), ("runs", [0, 1])):
        command = bot.env.backend.find_command(name, None, type=1)
        assert (command["contexts"], command["integration_types"]) == (contexts, [0])


@pytest.mark.parametrize("refused", [False, True], ids=["taken", "refused"])
async def test_further_files_come_as_follow_ups(bot: Harness, refused: bool) -> None:
    """Audio has no player in a layout, so it is a follow-up too; so are pictures beyond ten."""
    bot.comfydeploy.next_faults(Faults(hold_at="queued", webhook_drop=True))
    await asked(bot, "group")
    await bot.play()
    if refused:
        bot.env.inject_error("POST", "/webhooks/*", status=400, times=None)
    await end_with(bot, {**pictures(12), "a.wav": (song(), "audio/wav")})
    await bot.play()
    first, second, third, *more = shown(bot)
    assert [galleries_of(bot, first), galleries_of(bot, second)] == [[10], [2]]
    assert [each.filename.rpartition(".")[2] for each in third.attachments] == ["wav"]
    # Where a follow-up is refused, the rest comes directly, and what is there stays.
    assert [each.content for each in more] == (
        ["I couldn't answer in time where you requested it, so here it is."] if refused else []
    )
    assert bool(by_token(bot)) is refused
    assert await delivery_states(bot) == ["sent"]


async def test_a_result_after_the_interaction_comes_directly(bot: Harness) -> None:
    answer = await under_way(bot, "foreign server")
    await bot.later(minutes=14, seconds=10)
    assert "This takes longer than I can answer here." in text_of(bot, answer.response)
    await bot.later(minutes=5)
    await bot.release()
    first, result, note = shown(bot)
    assert "This takes longer" in text_of(bot, first)
    assert len(result.attachments) == 1
    assert note.content == "I couldn't answer in time where you requested it, so here it is."
    assert len(bot.calls) == 1


async def test_with_direct_messages_closed_it_is_kept(bot: Harness) -> None:
    place: Place = "foreign thread"
    await under_way(bot, place)
    await bot.later(minutes=16)
    close_direct_messages(bot)
    await bot.release()
    assert await delivery_states(bot) == ["undelivered"]
    before = len(by_token(bot))
    with elsewhere(bot, place):
        listed = await bot.alice.user.slash("runs")
        assert "couldn't be posted" in text_of(bot, listed.response)
        posted = await bot.alice.user.click(listed.response, label="Post it here")
    assert not posted.ephemeral
    await bot.play()
    message = shown(bot)[-1]
    assert message.id == posted.response.id
    assert len(message.attachments) == 1
    assert await delivery_states(bot) == ["sent"]
    assert len(by_token(bot)) == before
    assert len(bot.calls) == 1


async def test_buttons_and_presets_work_there(bot: Harness) -> None:
    await asked(bot, "foreign server")
    await bot.play()
    (message,) = shown(bot)
    with elsewhere(bot, "foreign server"):
        again = await bot.alice.user.click(message, label="Again")
        form = await bot.alice.user.click(message, label="Edit")
        await bot.alice.user.submit_modal(form, {"prompt": "a wolf"})
        details = await open_details(message, bot.alice.user)
        await bot.alice.user.slash("preset save", name="noir")
        await bot.alice.user.slash("preset use", name="noir", prompt="an owl")
    assert details.ephemeral
    await bot.play()
    prompts = sorted(call.body["inputs"]["prompt"] for call in bot.calls)
    assert prompts == ["a fox", "a fox", "a wolf", "an owl"]
    with elsewhere(bot, "foreign server"):
        again_id = again.response.id
        await press_delete(bot, again.response.message, bot.alice.user)
    await bot.play()
    assert again_id not in [each.id for each in shown(bot)]
    assert len(shown(bot)) == 3
    assert by_token(bot) == []


async def test_cancelling_edits_the_answer(bot: Harness) -> None:
    answer = await under_way(bot, "group")
    with elsewhere(bot, "group"):
        await bot.alice.user.click(answer.response.message, label="Cancel")
    await bot.play()
    assert "Cancelled: " in text_of(bot, answer.response)
    assert by_token(bot) == []


@pytest.mark.bot(deployments=ADULT)
async def test_an_age_restricted_deployment_needs_a_marked_channel_there_too(bot: Harness) -> None:
    for place in PLACES:
        assert "an age-restricted channel" in refusal(bot, await asked(bot, place))
    with elsewhere(bot, "foreign server", nsfw=True):
        await bot.alice.user.slash("generate", prompt="a fox")
    await bot.play()
    assert len(bot.calls) == 1


@pytest.mark.bot(daily_gpu_seconds=1, allowed_guild_ids=(1,))
async def test_the_operators_limits_hold_there(bot: Harness) -> None:
    assert refusal(bot, await asked(bot, "group")).startswith("Today's GPU time is used up.")


async def test_a_crash_between_edit_and_note_leaves_one_message(bot: Harness) -> None:
    await under_way(bot, "group")
    await end_runs(bot)
    bot.env.inject_error("PATCH", "/webhooks/*", status=502, times=3)
    await bot.play()
    await bot.restart()
    await bot.later(minutes=1, times=3)
    (message,) = shown(bot)
    assert len(message.attachments) == 1
    assert by_token(bot) == []


async def test_each_command_is_offered_where_it_is_meant_to_be(bot: Harness) -> None:
    offered = {
        command["name"]: (command["contexts"], command["integration_types"])
        for command in bot.env.backend.commands[None].values()
    }
    own = ("generate", "preset", "Use as input", "help", "runs", "usage", "privacy")
    assert offered == {
        **dict.fromkeys(own, ([0, 1, 2], [0, 1])),
        **dict.fromkeys(("settings", "audit", "block", "unblock", "blocked", "queue"), ([0], [0])),
        **dict.fromkeys(("pause", "resume", "reload"), ([0, 1], [0])),
    }


async def test_a_batch_becomes_one_answer_and_is_deleted_with_it(bot: Harness) -> None:
    answer = await asked(bot, "foreign server", count=3)
    await bot.play()
    (message,) = shown(bot)
    assert message.id == answer.response.id
    assert galleries_of(bot, message) == [3]
    assert len(bot.calls) == 3
    assert list(buttons_of(bot, message)) == ["1", "2", "3", "4 more", "Edit", "⋯ More"]
    with elsewhere(bot, "foreign server"):
        one = await bot.alice.user.click(message, label="2")
        # Nothing reaches that message but the buttons in it.
        assert list(buttons_of(bot, one.response)) == [
            *RESULT_BUTTONS[:-1],
            "Use as input",
            "Save preset",
            "Details",
        ]
        await press_delete(bot, message, bot.alice.user)
    await bot.play()
    assert shown(bot) == []
    assert by_token(bot) == []
    assert all(run.deleted_at is not None for run in await bot.runs())


@pytest.mark.bot(max_concurrent_runs=1)
async def test_a_request_that_waits_too_long_is_not_started(bot: Harness) -> None:
    await bot.ask(bot.bob, faults=HELD, prompt="first")
    answer = await asked(bot, "group")
    await bot.later(minutes=11)
    assert "### Up next: " in text_of(bot, answer.response)
    await bot.later(minutes=1, seconds=5)
    assert "The queue was too long to answer here in time" in text_of(bot, answer.response)
    await bot.release()
    assert len(bot.calls) == 1
