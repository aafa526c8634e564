"""The answer to the command tells how far the run is, and is edited only when something changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.runs import RunState
from demo.standin.faults import Faults, Held
from tests.discord.seen import buttons_of, edits, requests_to, text_of, texts
from tests.stage import stage


@pytest.mark.parametrize(
    ("held", "title"),
    [("queued", "In the queue"), ("running", "Generating"), ("uploading", "Finishing up")],
)
async def test_it_tells_the_phase(tmp_path: Path, held: Held, title: str) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at=held))
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.later(seconds=3)
        assert f"{title}: Picture" in text_of(s, asked.response)
        assert list(buttons_of(s, asked.response)) == ["Cancel"]
        s.standin.release()
        await s.play()
        assert len(s.messages()) == 1


async def test_who_waits_is_told_the_place_in_the_queue(tmp_path: Path) -> None:
    async with stage(tmp_path, max_concurrent_runs=1) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        s.clock.move(seconds=1)
        second = await s.bob.slash(s.channel, "generate", prompt="an owl")
        s.clock.move(seconds=1)
        third = await s.bob.slash(s.channel, "generate", prompt="an elk")
        await s.later(seconds=3)
        assert "Waiting for a free place" in text_of(s, second.response)
        assert "Next in the queue" in text_of(s, second.response)
        assert "Number 2 in the queue" in text_of(s, third.response)
        assert len(s.calls) == 1
        s.standin.release()
        await s.later(seconds=3)
        assert len(s.calls) == 3
        assert len(s.messages()) == 3


async def test_progress_in_one_moment_is_one_edit(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="uploading"))
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        heard = [each for each in s.standin.ledger.webhook_attempts if each.answer == 204]
        assert len(heard) > 5
        assert edits(s) == 1
        await s.later(seconds=3)
        assert edits(s) == 2
        assert "%" in text_of(s, asked.response)


async def test_nothing_new_is_no_edit(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.later(seconds=3)
        before = edits(s)
        for _ in range(5):
            await s.later(seconds=60)
        assert edits(s) == before


async def test_after_a_quarter_of_an_hour_the_bots_own_token_edits(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="queued"))
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.later(minutes=16)
        s.standin.release()
        s.standin.faults = Faults(hold_at="running")
        await s.play()
        assert len(s.messages()) == 1
        assert asked.response is None
        assert requests_to(s, "DELETE", f"/channels/{s.channel.id}/messages/")
        assert (await s.run()).state is RunState.SUCCEEDED


async def test_a_deleted_status_message_does_not_keep_the_result_away(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        s.env.backend.delete_message(s.channel.id, asked.response.id)
        s.standin.release()
        await s.later(seconds=3)
        (text,) = texts(s)
        assert "> a fox" in text
