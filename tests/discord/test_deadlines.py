"""Runs that never end, and runs given up too early: told in time, paid for once, shown all the same."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from bot.runs import RunState
from demo.standin.faults import Faults
from tests.discord.seen import RESULT_BUTTONS, buttons_of, pinged, text_of, texts
from tests.stage import stage


async def test_a_run_past_its_deadline_is_told_and_cancelled_once(tmp_path: Path) -> None:
    async with stage(tmp_path, run_deadline_seconds=600) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.later(minutes=5)
        assert (await s.run()).state is RunState.RUNNING
        for _ in range(4):
            await s.later(minutes=5)
        (message,) = s.messages()
        assert "so I stopped waiting" in text_of(s, message)
        assert list(buttons_of(s, message)) == ["Try again", "Edit", "Details"]
        assert pinged(s) == [s.alice.id]
        assert [call.run_id for call in s.standin.ledger.cancel_calls] == s.calls[0].run_ids
        assert (await s.run()).state is RunState.TIMED_OUT


async def test_a_success_after_the_deadline_is_shown_once_and_takes_the_verdict_away(tmp_path: Path) -> None:
    async with stage(tmp_path, run_deadline_seconds=600) as s:
        s.standin.next_faults(Faults(hold_at="running", success_after_cancel=True, cancel_supported=False))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        for _ in range(4):
            await s.later(minutes=5)
        assert "so I stopped waiting" in texts(s)[0]
        s.standin.release()
        await s.play()
        (message,) = s.messages()
        assert len(message.attachments) == 1
        assert list(buttons_of(s, message)) == RESULT_BUTTONS
        assert (await s.run()).state is RunState.SUCCEEDED
        await s.later(hours=3)
        assert len(s.messages()) == 1
        assert len(s.calls) == 1


async def test_without_webhooks_a_success_after_the_deadline_is_shown_too(tmp_path: Path) -> None:
    async with stage(tmp_path, webhooks=False, run_deadline_seconds=600) as s:
        s.standin.next_faults(Faults(hold_at="running", cancel_supported=False))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        for _ in range(4):
            await s.later(minutes=5)
        assert "so I stopped waiting" in texts(s)[0]
        s.standin.release()
        await s.standin.idle()
        await s.later(hours=1)
        (message,) = s.messages()
        assert list(buttons_of(s, message)) == RESULT_BUTTONS
        assert (await s.run()).state is RunState.SUCCEEDED
        await s.later(hours=3)
        assert len(s.messages()) == 1
        assert len(s.calls) == 1


async def test_a_wish_to_cancel_that_comfydeploy_does_not_hear_ends_at_the_deadline(tmp_path: Path) -> None:
    async with stage(tmp_path, run_deadline_seconds=600) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.restart(comfydeploy_api_key=SecretStr("a key that was revoked"))
        await s.alice.click(asked.response.message, label="Cancel")
        await s.play()
        assert (await s.run()).state is RunState.RUNNING
        for _ in range(4):
            await s.later(minutes=5)
        (message,) = s.messages()
        assert "so I stopped waiting" in text_of(s, message)
        assert (await s.run()).state is RunState.TIMED_OUT


async def test_a_run_that_never_ends_but_has_outputs_is_shown_at_the_deadline(tmp_path: Path) -> None:
    async with stage(tmp_path, run_deadline_seconds=600) as s:
        s.standin.next_faults(Faults(never_ends=True))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        for _ in range(4):
            await s.later(minutes=5)
        (message,) = s.messages()
        assert len(message.attachments) == 1
        assert (await s.run()).state is RunState.SUCCEEDED
        assert pinged(s) == [s.alice.id]
        # Its machine goes on costing until it is told to stop.
        assert len(s.standin.ledger.cancel_calls) == 1


async def test_a_reply_lost_for_the_grace_time_is_told_and_a_late_success_shown(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        lost = Faults(queue_drop=True, queue_starts=1, hold_at="queued", webhook_drop=True)
        s.standin.next_faults(lost)
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.later(seconds=100)
        assert (await s.run()).state is RunState.SUBMITTING
        await s.later(seconds=100)
        (message,) = s.messages()
        assert "ComfyDeploy didn't confirm the run." in text_of(s, message)
        (run,) = s.standin.runs
        run.own_faults = Faults()
        s.standin.release()
        await s.play()
        (message,) = s.messages()
        assert len(message.attachments) == 1
        assert (await s.run()).state is RunState.SUCCEEDED
        assert len(s.calls) == 1


async def test_a_late_failure_after_the_verdict_says_nothing_more(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        lost = Faults(queue_drop=True, queue_starts=1, hold_at="queued", webhook_drop=True)
        s.standin.next_faults(lost)
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.later(seconds=200)
        (run,) = s.standin.runs
        run.own_faults = Faults(ends_as="failed")
        s.standin.release()
        await s.play()
        assert len(s.messages()) == 1
        assert "ComfyDeploy didn't confirm the run." in texts(s)[0]
        assert pinged(s) == [s.alice.id]


async def test_an_hour_away_and_the_result_is_there_after_the_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.theatre.close()
        s.standin.release()
        await s.standin.idle()
        s.clock.move(minutes=50)
        await s.restart()
        await s.play()
        (message,) = s.messages()
        assert len(message.attachments) == 1
        assert pinged(s) == [s.alice.id]
        assert len(s.calls) == 1
