"""Added to one's own account: everything goes through the interaction, in its 15 minutes, or is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.store.rows import DeliveryState
from demo.standin.deployments import PICTURE_ID
from demo.standin.faults import Faults
from tests.discord.deliveries import delivery_states
from tests.discord.elsewhere import OWN_ACCOUNT, Place, elsewhere
from tests.discord.files import bucket, picture, song
from tests.discord.seen import RESULT_BUTTONS, buttons_of, galleries_of, refusal, text_of
from tests.stage import Stage, stage
from tests.web.service import run_under_way

PLACES: list[Place] = ["group", "foreign server", "foreign thread"]


def by_token(s: Stage) -> list[Any]:
    """What the bot tried in channels by its own token: nothing of it could work where it isn't."""
    return [each for each in s.env.http_requests if "/channels/" in each.path]


def shown(s: Stage) -> list[Any]:
    return [m for m in s.alice.user.dm_channel.history() if not m.flags.ephemeral]


async def asked(s: Stage, place: Place, **options: Any) -> Any:
    with elsewhere(s, place):
        return await s.alice.user.slash("generate", **{"prompt": "a fox", **options})


@pytest.mark.parametrize("place", PLACES)
async def test_the_answer_becomes_the_result_and_said_beforehand_how_long_it_can(
    tmp_path: Path, place: Place
) -> None:
    async with stage(tmp_path, **OWN_ACCOUNT) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        answer = await asked(s, place)
        said = text_of(s, answer.response)
        assert "I'm not a member here, so I can answer for 15 minutes." in said
        assert "waits in `/runs`" in said
        await s.play()
        s.standin.release()
        await s.play()
        (message,) = shown(s)
        assert message.id == answer.response.id
        assert len(message.attachments) == 1
        assert "> a fox" in text_of(s, message)
        assert list(buttons_of(s, message)) == [label for label in RESULT_BUTTONS if label != "Report"]
        assert by_token(s) == []
        assert await delivery_states(s) == [DeliveryState.SENT]
        run = await s.run()
        assert (run.guild_id, run.user_install) == (None, True)


async def test_without_the_operators_word_it_is_not_offered_and_refused_all_the_same(tmp_path: Path) -> None:
    async with stage(tmp_path, allow_direct_messages=True) as s:
        refused = await asked(s, "group")
        assert refusal(s, refused).startswith("I can't be used from your own account any more.")
        await s.play()
        assert s.calls == []
        generate = s.env.backend.find_command("generate", None, type=1)
        assert (generate["contexts"], generate["integration_types"]) == ([0, 1], [0])


@pytest.mark.parametrize("failures", [0, 1])
async def test_further_files_come_as_follow_ups(tmp_path: Path, failures: int) -> None:
    """Audio has no player in a layout, so it is a follow-up too; so are pictures beyond ten."""
    files = {f"{number}.png": (picture(8, 8), "image/png") for number in range(12)}
    files["a.wav"] = (song(), "audio/wav")

    async def ask(s: Stage) -> None:
        await asked(s, "group")

    async with bucket(files) as base, run_under_way(tmp_path, ask, **OWN_ACCOUNT) as caller:
        s = caller.stage
        if failures:
            s.env.inject_error("POST", "/webhooks/*", status=400, times=None)
        items = [{"url": f"{base}/{name}", "filename": name, "type": "output"} for name in files]
        output = {"id": "o", "data": {"files": items}, "node_meta": {"node_id": "9"}}
        await caller.call(caller.event("success", outputs=[output]))
        await s.play()
        first, second, third, *more = shown(s)
        assert [galleries_of(s, first), galleries_of(s, second)] == [[10], [2]]
        assert [each.filename.rpartition(".")[2] for each in third.attachments] == ["wav"]
        # Where a follow-up is refused, the rest comes directly, and what is there stays.
        assert [each.content for each in more] == (
            ["I couldn't answer in time where you asked, so here it is."] if failures else []
        )
        assert bool(by_token(s)) is bool(failures)
        assert await delivery_states(s) == [DeliveryState.SENT]


async def test_what_ends_after_the_interaction_comes_directly_and_the_answer_has_said_so(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, **OWN_ACCOUNT) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        answer = await asked(s, "foreign server")
        await s.play()
        await s.later(minutes=14, seconds=10)
        assert "This takes longer than I can answer here." in text_of(s, answer.response)
        await s.later(minutes=5)
        s.standin.release()
        await s.play()
        first, result, note = shown(s)
        assert "This takes longer" in text_of(s, first)
        assert len(result.attachments) == 1
        assert note.content == "I couldn't answer in time where you asked, so here it is."
        assert len(s.calls) == 1


@pytest.mark.parametrize("place", PLACES)
async def test_with_direct_messages_closed_it_waits_in_runs_and_is_posted_from_there(
    tmp_path: Path, place: Place
) -> None:
    async with stage(tmp_path, **OWN_ACCOUNT) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await asked(s, place)
        await s.play()
        await s.later(minutes=16)
        s.env.inject_error("POST", "/users/@me/channels", status=403, code=50007, times=None)
        s.standin.release()
        await s.play()
        assert await delivery_states(s) == [DeliveryState.KEPT]
        before = len(by_token(s))
        with elsewhere(s, place):
            listed = await s.alice.user.slash("runs")
            assert "couldn't be posted" in text_of(s, listed.response)
            run = await s.run()
            posted = await s.alice.user.select(listed.response, [run.key])
        assert not posted.ephemeral
        await s.play()
        message = shown(s)[-1]
        assert message.id == posted.response.id
        assert len(message.attachments) == 1
        assert await delivery_states(s) == [DeliveryState.SENT]
        assert len(by_token(s)) == before
        assert len(s.calls) == 1


async def test_what_still_waits_shortly_before_the_end_is_not_begun_and_told(tmp_path: Path) -> None:
    async with stage(tmp_path, max_concurrent_runs=1, **OWN_ACCOUNT) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await s.bob.slash(s.channel, "generate", prompt="first")
        await s.play()
        answer = await asked(s, "group")
        await s.later(minutes=11)
        assert "Next in the queue" in text_of(s, answer.response)
        await s.later(minutes=1, seconds=5)
        assert "The queue was too long for me to answer here in time" in text_of(s, answer.response)
        s.standin.release()
        await s.play()
        assert len(s.calls) == 1


async def test_again_edit_details_and_delete_work_there(tmp_path: Path) -> None:
    async with stage(tmp_path, **OWN_ACCOUNT) as s:
        await asked(s, "foreign server")
        await s.play()
        (message,) = shown(s)
        with elsewhere(s, "foreign server"):
            again = await s.alice.user.click(message, label="Again")
            form = await s.alice.user.click(message, label="Edit")
            await s.alice.user.submit_modal(form, {"prompt": "a wolf"})
            details = await s.alice.user.click(message, label="Details")
        assert details.ephemeral
        await s.play()
        assert sorted(call.body["inputs"]["prompt"] for call in s.calls) == ["a fox", "a fox", "a wolf"]
        with elsewhere(s, "foreign server"):
            again_id = again.response.id
            await s.alice.user.click(again.response.message, label="Delete")
        await s.play()
        assert again_id not in [each.id for each in shown(s)]
        assert len(shown(s)) == 2
        assert by_token(s) == []


async def test_several_at_once_become_one_answer(tmp_path: Path) -> None:
    async with stage(tmp_path, **OWN_ACCOUNT) as s:
        answer = await asked(s, "foreign server", count=3)
        await s.play()
        (message,) = shown(s)
        assert message.id == answer.response.id
        assert galleries_of(s, message) == [3]
        assert len(s.calls) == 3
        assert by_token(s) == []


async def test_cancelling_edits_the_answer(tmp_path: Path) -> None:
    async with stage(tmp_path, **OWN_ACCOUNT) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        answer = await asked(s, "group")
        await s.play()
        with elsewhere(s, "group"):
            await s.alice.user.click(answer.response.message, label="Cancel")
        await s.play()
        assert "Cancelled, as you asked." in text_of(s, answer.response)
        assert by_token(s) == []


async def test_presets_and_the_picture_menu_work_there(tmp_path: Path) -> None:
    async with stage(tmp_path, **OWN_ACCOUNT) as s:
        await asked(s, "group", style="ink")
        await s.play()
        with elsewhere(s, "group"):
            await s.alice.user.slash("preset save", name="noir")
            await s.alice.user.slash("preset use", name="noir")
        await s.play()
        assert [call.body["inputs"]["style"] for call in s.calls] == ["ink", "ink"]


async def test_an_age_restricted_deployment_needs_a_marked_channel_there_too(tmp_path: Path) -> None:
    text = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\nage_restricted = true\n'
    async with stage(tmp_path, deployments=text, **OWN_ACCOUNT) as s:
        for place in PLACES:
            assert "marked as age-restricted" in refusal(s, await asked(s, place))
        with elsewhere(s, "foreign server", nsfw=True):
            await s.alice.user.slash("generate", prompt="a fox")
        await s.play()
        assert len(s.calls) == 1


async def test_the_operators_limits_hold_there(tmp_path: Path) -> None:
    async with stage(tmp_path, daily_gpu_seconds=1, allowed_guild_ids=(1,), **OWN_ACCOUNT) as s:
        assert refusal(s, await asked(s, "group")).startswith("Today's GPU time is used up.")


async def test_a_crash_between_edit_and_note_leaves_one_message(tmp_path: Path) -> None:
    async with stage(tmp_path, **OWN_ACCOUNT) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await asked(s, "group")
        await s.play()
        s.standin.release()
        await s.standin.idle()
        s.env.inject_error("PATCH", "/webhooks/*", status=502, times=3)
        await s.play()
        await s.restart()
        for _ in range(3):
            await s.later(minutes=1)
        (message,) = shown(s)
        assert len(message.attachments) == 1
        assert by_token(s) == []


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
    async with stage(tmp_path, **settings) as s:
        offered = {
            command["name"]: (command["contexts"], command["integration_types"])
            for command in s.env.backend.commands[None].values()
        }
    assert offered == {
        **dict.fromkeys(("generate", "preset", "Use as input"), making),
        **dict.fromkeys(("help", "runs", "usage", "privacy"), own),
        **dict.fromkeys(("settings", "audit", "block", "unblock", "blocked", "queue"), ([0], [0])),
        **dict.fromkeys(("pause", "resume", "reload"), ([0, 1], [0])),
    }


async def test_several_at_once_become_one_answer_and_are_deleted_with_it(tmp_path: Path) -> None:
    async with stage(tmp_path, **OWN_ACCOUNT) as s:
        answer = await asked(s, "group", count=3)
        assert "I'm not a member here, so I can answer for 15 minutes." in text_of(s, answer.response)
        await s.play()
        (message,) = shown(s)
        assert message.id == answer.response.id
        assert galleries_of(s, message) == [3]
        assert list(buttons_of(s, message)) == ["1", "2", "3", "Again", "Delete"]
        with elsewhere(s, "group"):
            one = await s.alice.user.click(message, label="2")
            # Nothing reaches that message but the buttons in it.
            assert list(buttons_of(s, one.response)) == [
                "Again",
                "Vary ×4",
                "Edit",
                "Use as input",
                "Details",
            ]
            await s.alice.user.click(message, label="Delete")
        await s.play()
        assert shown(s) == []
        assert by_token(s) == []
        assert all(run.deleted_at is not None for run in await s.runs())
