"""The service repeats, reorders, loses and retries its webhooks: a person sees one result all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.runs import RunState
from demo.standin.faults import Faults
from tests.discord.seen import RESULT_BUTTONS, assert_nothing_leaked, buttons_of, pinged, text_of
from tests.stage import Stage, stage


async def one_result(s: Stage) -> None:
    await s.play()
    for _ in range(4):
        await s.later(minutes=2)
    (message,) = s.messages()
    assert len(message.attachments) == 1
    assert list(buttons_of(s, message)) == RESULT_BUTTONS
    assert pinged(s) == [s.alice.id]
    assert len(s.calls) == 1
    assert (await s.run()).state is RunState.SUCCEEDED
    assert_nothing_leaked(s)


@pytest.mark.parametrize(
    "faults",
    [
        Faults(),
        Faults(webhook_duplicate=True),
        Faults(webhook_reorder=True),
        Faults(webhook_reorder=True, webhook_duplicate=True),
        Faults(webhook_get_only=True),
        Faults(webhook_before_reply=True),
        Faults(other_dialect=True),
        Faults(outputs_missing=True),
        Faults(silent_end=True),
        Faults(webhook_drop=True),
        Faults(queue_drop=True, queue_starts=1),
        Faults(webhook_before_reply=True, queue_status=500, queue_starts=1),
    ],
    ids=lambda faults: "+".join(faults.model_dump(exclude_defaults=True)) or "none",
)
async def test_one_result_with(tmp_path: Path, faults: Faults) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(faults)
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await one_result(s)


@pytest.mark.parametrize("faults", [Faults(), Faults(other_dialect=True), Faults(outputs_missing=True)])
async def test_without_a_public_url_results_are_polled(tmp_path: Path, faults: Faults) -> None:
    async with stage(tmp_path, webhooks=False) as s:
        s.standin.next_faults(faults)
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await one_result(s)
        assert s.calls[0].webhook is None
        assert not s.standin.ledger.webhook_attempts


async def test_a_machine_that_started_it_three_times_shows_one_result(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(queue_status=500, queue_starts=3))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.later(minutes=2)
        assert len(s.calls[0].run_ids) == 3
        (message,) = s.messages()
        assert len(message.attachments) == 1
        run = await s.run()
        assert run.state is RunState.SUCCEEDED
        assert run.run_id in s.calls[0].run_ids
        assert set(pinged(s)) == {s.alice.id}


@pytest.mark.parametrize(
    ("ends_as", "sentence"),
    [
        ("failed", "The run failed on the machine, "),
        ("timeout", "The run took too long, and ComfyDeploy stopped it."),
        ("cancelled", "The run was cancelled at ComfyDeploy."),
    ],
)
@pytest.mark.parametrize("webhooks", [True, False])
async def test_an_end_that_is_no_success_is_told_in_words(
    tmp_path: Path, ends_as: str, sentence: str, webhooks: bool
) -> None:
    async with stage(tmp_path, webhooks=webhooks) as s:
        s.standin.next_faults(Faults.model_validate({"ends_as": ends_as}))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.later(minutes=2)
        (message,) = s.messages()
        assert sentence in text_of(s, message)
        assert list(buttons_of(s, message)) == ["Try again", "Edit", "Details"]
        assert pinged(s) == [s.alice.id]


async def test_get_run_that_answers_errors_is_asked_again(tmp_path: Path) -> None:
    async with stage(tmp_path, webhooks=False) as s:
        s.standin.faults = Faults(get_status=500)
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.later(minutes=1)
        assert (await s.run()).state is RunState.QUEUED
        s.standin.faults = Faults()
        await one_result(s)
