"""Cancel, by whom and when."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import discord

from bot.runs import RunState
from demo.standin.faults import Faults
from tests.discord.seen import RESULT_BUTTONS, buttons_of, pinged, press, text_of, texts
from tests.stage import Stage, stage

HELD = Faults(hold_at="running")


async def running(s: Stage, faults: Faults = HELD) -> discord.Message:
    """A run that is under way, and its status message."""
    s.standin.next_faults(faults)
    asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
    await s.play()
    return asked.response.message


async def test_the_requester_cancels(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await running(s)
        await s.alice.click(message, label="Cancel")
        await s.play()
        assert [call.run_id for call in s.standin.ledger.cancel_calls] == s.calls[0].run_ids
        shown = text_of(s, message)
        assert "Cancelled: Picture" in shown
        assert "Cancelled, as you asked." in shown
        assert list(buttons_of(s, message)) == ["Try again", "Edit", "Details"]
        assert pinged(s) == []
        assert (await s.run()).state is RunState.CANCELLED
        await s.later(hours=2)
        assert len(s.standin.ledger.cancel_calls) == 1


async def test_a_stranger_can_not(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        refused = await s.bob.click(await running(s), label="Cancel")
        assert refused.ephemeral
        assert refused.response.content == "Only the person who asked can use this button."
        await s.play()
        assert not s.standin.ledger.cancel_calls
        assert (await s.run()).state is RunState.RUNNING


async def test_who_may_manage_messages_can(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        role = s.guild.create_role("mods", permissions=discord.Permissions(manage_messages=True))
        carol = s.guild.add_member(s.env.create_user("carol"), roles=[role])
        await carol.click(await running(s), label="Cancel")
        await s.play()
        (told,) = texts(s)
        assert "A moderator cancelled this request." in told
        assert pinged(s) == [s.alice.id]
        assert (await s.run()).state is RunState.CANCELLED
        assert len(s.standin.ledger.cancel_calls) == 1


async def test_who_manages_messages_elsewhere_reaches_nothing_here(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await running(s)
        key = (await s.run()).key
        other = s.env.create_guild("another server")
        s.channel = other.create_text_channel("mine")
        role = other.create_role("mods", permissions=discord.Permissions(manage_messages=True))
        eve = other.add_member(s.env.create_user("eve"), roles=[role])
        await s.env.settle()
        s.standin.next_faults(HELD)
        await eve.slash(s.channel, "generate", prompt="an owl")
        await s.play()
        (own,) = s.channel.history(viewer=eve)
        refused = await press(s, eve, own, f"run:{key}:cancel")
        unknown = await press(s, eve, own, "run:abcdefghijklmnop:cancel")
        assert refused.ephemeral
        assert refused.response.content == unknown.response.content == "I don't know this request any more."
        await s.play()
        assert not s.standin.ledger.cancel_calls
        assert [run.cancel_requested_at for run in await s.runs()] == [None, None]


async def test_what_waits_in_the_bots_own_queue_never_reaches_comfydeploy(tmp_path: Path) -> None:
    async with stage(tmp_path, max_concurrent_runs=1) as s:
        await running(s)
        s.clock.move(seconds=1)
        waiting = await s.bob.slash(s.channel, "generate", prompt="an owl")
        await s.later(seconds=3)
        await s.bob.click(waiting.response.message, label="Cancel")
        s.standin.release()
        await s.later(seconds=3)
        assert len(s.calls) == 1
        assert "Cancelled, as you asked." in text_of(s, waiting.response)


async def test_the_wish_waits_for_the_id_that_only_the_webhook_brings(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        lost = Faults(queue_drop=True, queue_starts=1, webhook_drop=True, hold_at="running")
        message = await running(s, lost)
        assert (await s.run()).state is RunState.SUBMITTING
        await s.alice.click(message, label="Cancel")
        await s.play()
        assert not s.standin.ledger.cancel_calls
        (call,) = s.calls
        event = {"event_type": "run.updated", "run_id": call.run_ids[0], "status": "running", "progress": 0.1}
        async with aiohttp.ClientSession() as session:
            reply = await session.post(call.webhook, data=json.dumps(event | {"outputs": []}))
            assert reply.status == 204
        await s.play()
        assert [each.run_id for each in s.standin.ledger.cancel_calls] == call.run_ids
        assert (await s.run()).state is RunState.CANCELLED
        assert len(s.calls) == 1


async def test_after_the_end_it_is_too_late(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        (message,) = s.messages()
        run = await s.run()
        late = await press(s, s.alice, message, f"run:{run.key}:cancel")
        assert late.ephemeral
        assert late.response.content == "It has already finished."
        assert await s.run() == run


async def test_a_machine_that_can_not_stop_goes_on_and_the_message_says_so(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await running(s, Faults(hold_at="running", cancel_supported=False))
        await s.alice.click(message, label="Cancel")
        await s.later(seconds=3)
        assert "This machine can't stop a run" in text_of(s, message)
        assert buttons_of(s, message) == {}
        s.standin.release()
        await s.later(seconds=3)
        (text,) = texts(s)
        assert "> a fox" in text
        assert (await s.run()).state is RunState.SUCCEEDED
        assert pinged(s) == [s.alice.id]


async def test_a_success_that_was_quicker_than_the_cancel_is_shown(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await running(s)
        s.standin.release()
        await s.standin.idle()
        await s.alice.click(message, custom_id=f"run:{(await s.run()).key}:cancel")
        await s.play()
        assert (await s.run()).state is RunState.SUCCEEDED
        assert len(s.messages()) == 1


async def test_a_success_that_can_not_be_asked_about_at_once_is_shown_later(tmp_path: Path) -> None:
    """ComfyDeploy says success also to cancelling what had ended."""
    async with stage(tmp_path) as s:
        message = await running(s, Faults(hold_at="running", silent_end=True))
        s.standin.release()
        await s.standin.idle()
        (run,) = s.standin.runs
        run.own_faults = Faults(get_status=500)
        await s.alice.click(message, label="Cancel")
        await s.play()
        run.own_faults = Faults()
        await s.later(minutes=1)
        assert (await s.run()).state is RunState.SUCCEEDED
        (message,) = s.messages()
        assert list(buttons_of(s, message)) == RESULT_BUTTONS


async def test_what_comfydeploy_can_not_be_asked_about_for_long_was_cancelled(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await running(s)
        (run,) = s.standin.runs
        run.own_faults = Faults(get_status=500, webhook_drop=True)
        await s.alice.click(message, label="Cancel")
        await s.later(minutes=1)
        assert (await s.run()).state is RunState.RUNNING
        await s.later(minutes=5)
        assert (await s.run()).state is RunState.CANCELLED
        assert "Cancelled, as you asked." in text_of(s, message)
