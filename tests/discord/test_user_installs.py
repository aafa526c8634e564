"""Added to one's own account: everything goes through the interaction, in its 15 minutes, or is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.store.rows import DeliveryState
from demo.standin.deployments import PICTURE_ID
from demo.standin.faults import Faults
from tests.discord.deliveries import delivery_states
from tests.discord.files import bucket, picture, song
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, galleries_of, refusal, text_of
from tests.discord.user_install import OWN_ACCOUNT, Place, elsewhere
from tests.harness import Harness, running_bot
from tests.web.service import run_under_way

PLACES: list[Place] = ["group", "foreign server", "foreign thread"]


def by_token(bot: Harness) -> list[Any]:
    """What the bot tried in channels by its own token: nothing of it could work where it isn't."""
    return [each for each in bot.env.http_requests if "/channels/" in each.path]


def shown(bot: Harness) -> list[Any]:
    return [m for m in bot.alice.user.dm_channel.history() if not m.flags.ephemeral]


async def asked(bot: Harness, place: Place, **options: Any) -> Any:
    with elsewhere(bot, place):
        return await bot.alice.user.slash("generate", **{"prompt": "a fox", **options})


@pytest.mark.bot(**OWN_ACCOUNT)
@pytest.mark.parametrize("place", PLACES)
async def test_the_answer_becomes_the_result_and_said_beforehand_how_long_it_can(
    bot: Harness, place: Place
) -> None:
    bot.standin.next_faults(Faults(hold_at="running"))
    answer = await asked(bot, place)
    said = text_of(bot, answer.response)
    assert "I'm not a member here, so I can answer for 15 minutes." in said
    assert "waits in `/runs`" in said
    await bot.play()
    bot.standin.release()
    await bot.play()
    (message,) = shown(bot)
    assert message.id == answer.response.id
    assert len(message.attachments) == 1
    assert "> a fox" in text_of(bot, message)
    assert list(buttons_of(bot, message)) == [label for label in RESULT_BUTTONS if label != "Report"]
    assert by_token(bot) == []
    assert await delivery_states(bot) == [DeliveryState.SENT]
    run = await bot.run()
    assert (run.guild_id, run.user_install) == (None, True)


@pytest.mark.bot(allow_direct_messages=True)
async def test_without_the_operators_word_it_is_not_offered_and_refused_all_the_same(bot: Harness) -> None:
    refused = await asked(bot, "group")
    assert refusal(bot, refused).startswith("I can't be used from your own account any more.")
    await bot.play()
    assert bot.calls == []
    generate = bot.env.backend.find_command("generate", None, type=1)
    assert (generate["contexts"], generate["integration_types"]) == ([0, 1], [0])


@pytest.mark.parametrize("failures", [0, 1])
async def test_further_files_come_as_follow_ups(tmp_path: Path, failures: int) -> None:
    """Audio has no player in a layout, so it is a follow-up too; so are pictures beyond ten."""
    files = {f"{number}.png": (picture(8, 8), "image/png") for number in range(12)}
    files["a.wav"] = (song(), "audio/wav")

    async def ask(bot: Harness) -> None:
        await asked(bot, "group")

    async with bucket(files) as base, run_under_way(tmp_path, ask, **OWN_ACCOUNT) as caller:
        bot = caller.bot
        if failures:
            bot.env.inject_error("POST", "/webhooks/*", status=400, times=None)
        items = [{"url": f"{base}/{name}", "filename": name, "type": "output"} for name in files]
        output = {"id": "o", "data": {"files": items}, "node_meta": {"node_id": "9"}}
        await caller.call(caller.event("success", outputs=[output]))
        await bot.play()
        first, second, third, *more = shown(bot)
        assert [galleries_of(bot, first), galleries_of(bot, second)] == [[10], [2]]
        assert [each.filename.rpartition(".")[2] for each in third.attachments] == ["wav"]
        # Where a follow-up is refused, the rest comes directly, and what is there stays.
        assert [each.content for each in more] == (
            ["I couldn't answer in time where you asked, so here it is."] if failures else []
        )
        assert bool(by_token(bot)) is bool(failures)
        assert await delivery_states(bot) == [DeliveryState.SENT]


@pytest.mark.bot(**OWN_ACCOUNT)
async def test_what_ends_after_the_interaction_comes_directly_and_the_answer_has_said_so(
    bot: Harness,
) -> None:
    bot.standin.next_faults(Faults(hold_at="running"))
    answer = await asked(bot, "foreign server")
    await bot.play()
    await bot.later(minutes=14, seconds=10)
    assert "This takes longer than I can answer here." in text_of(bot, answer.response)
    await bot.later(minutes=5)
    bot.standin.release()
    await bot.play()
    first, result, note = shown(bot)
    assert "This takes longer" in text_of(bot, first)
    assert len(result.attachments) == 1
    assert note.content == "I couldn't answer in time where you asked, so here it is."
    assert len(bot.calls) == 1


@pytest.mark.bot(**OWN_ACCOUNT)
@pytest.mark.parametrize("place", PLACES)
async def test_with_direct_messages_closed_it_waits_in_runs_and_is_posted_from_there(
    bot: Harness, place: Place
) -> None:
    bot.standin.next_faults(Faults(hold_at="running"))
    await asked(bot, place)
    await bot.play()
    await bot.later(minutes=16)
    bot.env.inject_error("POST", "/users/@me/channels", status=403, code=50007, times=None)
    bot.standin.release()
    await bot.play()
    assert await delivery_states(bot) == [DeliveryState.KEPT]
    before = len(by_token(bot))
    with elsewhere(bot, place):
        listed = await bot.alice.user.slash("runs")
        assert "couldn't be posted" in text_of(bot, listed.response)
        run = await bot.run()
        posted = await bot.alice.user.select(listed.response, [run.key])
    assert not posted.ephemeral
    await bot.play()
    message = shown(bot)[-1]
    assert message.id == posted.response.id
    assert len(message.attachments) == 1
    assert await delivery_states(bot) == [DeliveryState.SENT]
    assert len(by_token(bot)) == before
    assert len(bot.calls) == 1


@pytest.mark.bot(max_concurrent_runs=1, **OWN_ACCOUNT)
async def test_what_still_waits_shortly_before_the_end_is_not_begun_and_told(bot: Harness) -> None:
    bot.standin.next_faults(Faults(hold_at="running"))
    await bot.bob.slash(bot.channel, "generate", prompt="first")
    await bot.play()
    answer = await asked(bot, "group")
    await bot.later(minutes=11)
    assert "Next in the queue" in text_of(bot, answer.response)
    await bot.later(minutes=1, seconds=5)
    assert "The queue was too long for me to answer here in time" in text_of(bot, answer.response)
    bot.standin.release()
    await bot.play()
    assert len(bot.calls) == 1


@pytest.mark.bot(**OWN_ACCOUNT)
async def test_again_edit_details_and_delete_work_there(bot: Harness) -> None:
    await asked(bot, "foreign server")
    await bot.play()
    (message,) = shown(bot)
    with elsewhere(bot, "foreign server"):
        again = await bot.alice.user.click(message, label="Again")
        form = await bot.alice.user.click(message, label="Edit")
        await bot.alice.user.submit_modal(form, {"prompt": "a wolf"})
        details = await bot.alice.user.click(message, label="Details")
    assert details.ephemeral
    await bot.play()
    assert sorted(call.body["inputs"]["prompt"] for call in bot.calls) == ["a fox", "a fox", "a wolf"]
    with elsewhere(bot, "foreign server"):
        again_id = again.response.id
        await bot.alice.user.click(again.response.message, label="Delete")
    await bot.play()
    assert again_id not in [each.id for each in shown(bot)]
    assert len(shown(bot)) == 2
    assert by_token(bot) == []


@pytest.mark.bot(**OWN_ACCOUNT)
async def test_several_at_once_become_one_answer(bot: Harness) -> None:
    answer = await asked(bot, "foreign server", count=3)
    await bot.play()
    (message,) = shown(bot)
    assert message.id == answer.response.id
    assert galleries_of(bot, message) == [3]
    assert len(bot.calls) == 3
    assert by_token(bot) == []


@pytest.mark.bot(**OWN_ACCOUNT)
async def test_cancelling_edits_the_answer(bot: Harness) -> None:
    bot.standin.next_faults(Faults(hold_at="running"))
    answer = await asked(bot, "group")
    await bot.play()
    with elsewhere(bot, "group"):
        await bot.alice.user.click(answer.response.message, label="Cancel")
    await bot.play()
    assert "Cancelled, as you asked." in text_of(bot, answer.response)
    assert by_token(bot) == []


@pytest.mark.bot(**OWN_ACCOUNT)
async def test_presets_and_the_picture_menu_work_there(bot: Harness) -> None:
    await asked(bot, "group", style="ink")
    await bot.play()
    with elsewhere(bot, "group"):
        await bot.alice.user.slash("preset save", name="noir")
        await bot.alice.user.slash("preset use", name="noir")
    await bot.play()
    assert [call.body["inputs"]["style"] for call in bot.calls] == ["ink", "ink"]


async def test_an_age_restricted_deployment_needs_a_marked_channel_there_too(tmp_path: Path) -> None:
    text = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\nage_restricted = true\n'
    async with running_bot(tmp_path, deployments=text, **OWN_ACCOUNT) as bot:
        for place in PLACES:
            assert "marked as age-restricted" in refusal(bot, await asked(bot, place))
        with elsewhere(bot, "foreign server", nsfw=True):
            await bot.alice.user.slash("generate", prompt="a fox")
        await bot.play()
        assert len(bot.calls) == 1


@pytest.mark.bot(daily_gpu_seconds=1, allowed_guild_ids=(1,), **OWN_ACCOUNT)
async def test_the_operators_limits_hold_there(bot: Harness) -> None:
    assert refusal(bot, await asked(bot, "group")).startswith("Today's GPU time is used up.")


@pytest.mark.bot(**OWN_ACCOUNT)
async def test_a_crash_between_edit_and_note_leaves_one_message(bot: Harness) -> None:
    bot.standin.next_faults(Faults(hold_at="running"))
    await asked(bot, "group")
    await bot.play()
    bot.standin.release()
    await bot.standin.idle()
    bot.env.inject_error("PATCH", "/webhooks/*", status=502, times=3)
    await bot.play()
    await bot.restart()
    for _ in range(3):
        await bot.later(minutes=1)
    (message,) = shown(bot)
    assert len(message.attachments) == 1
    assert by_token(bot) == []


@pytest.mark.parametrize(
    ("settings", "making", "own"),
    [
        ({}, ([0], [0]), ([0, 1], [0])),
        ({"allow_direct_messages": True}, ([0, 1], [0]), ([0, 1], [0])),
        ({"allow_user_installs": True}, ([0, 1, 2], [0, 1]), ([0, 1, 2], [0, 1])),
    ],
)
async def test_each_command_is_offered_where_it_is_meant_to_be(
    tmp_path: Path, settings: Any, making: Any, own: Any
) -> None:
    async with running_bot(tmp_path, **settings) as bot:
        offered = {
            command["name"]: (command["contexts"], command["integration_types"])
            for command in bot.env.backend.commands[None].values()
        }
    assert offered == {
        **dict.fromkeys(("generate", "preset", "Use as input"), making),
        **dict.fromkeys(("help", "runs", "usage", "privacy"), own),
        **dict.fromkeys(("settings", "audit", "block", "unblock", "blocked", "queue"), ([0], [0])),
        **dict.fromkeys(("pause", "resume", "reload"), ([0, 1], [0])),
    }


@pytest.mark.bot(**OWN_ACCOUNT)
async def test_several_at_once_become_one_answer_and_are_deleted_with_it(bot: Harness) -> None:
    answer = await asked(bot, "group", count=3)
    assert "I'm not a member here, so I can answer for 15 minutes." in text_of(bot, answer.response)
    await bot.play()
    (message,) = shown(bot)
    assert message.id == answer.response.id
    assert galleries_of(bot, message) == [3]
    assert list(buttons_of(bot, message)) == ["1", "2", "3", "Again", "Delete"]
    with elsewhere(bot, "group"):
        one = await bot.alice.user.click(message, label="2")
        # Nothing reaches that message but the buttons in it.
        assert list(buttons_of(bot, one.response)) == [
            "Again",
            "Vary ×4",
            "Edit",
            "Use as input",
            "Details",
        ]
        await bot.alice.user.click(message, label="Delete")
    await bot.play()
    assert shown(bot) == []
    assert by_token(bot) == []
    assert all(run.deleted_at is not None for run in await bot.runs())
