"""The reason of a failed run: in public one sentence, for the requester and moderators the end of its log."""

from __future__ import annotations

import pytest
from simcord import MemberActor

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import FAILS_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import erase_data, open_details, owner
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import FAILURE_BUTTONS, buttons_of, edits, pinged, text_of, texts
from tests.harness import Harness

FAILS = {"comfydeploy_deployment_id": FAILS_ID}
SENTENCE = "This one didn't work: the workflow hit an error."
ERROR = "“RuntimeError: mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)”"
SO_FAR = "I don't know the reason so far."
TRACEBACK = "Traceback (most recent call last):"


async def details(bot: Harness, actor: MemberActor | None = None) -> str:
    shown = await open_details(bot.messages()[0], actor or bot.alice)
    assert shown.ephemeral
    return text_of(bot, shown.response)


def logs_read(bot: Harness) -> int:
    return len(bot.comfydeploy.call_log.logs_read)


@pytest.mark.bot(**FAILS)
@pytest.mark.parametrize("webhooks", [True, False])
async def test_in_public_a_failure_is_one_sentence(bot: Harness, webhooks: bool) -> None:
    if not webhooks:
        await bot.restart(public_url=None)
    await bot.ask()
    await bot.later(minutes=1, times=3)
    (shown,) = texts(bot)
    assert f"\n{SENTENCE}\n" in shown
    assert not any(word in shown for word in ("RuntimeError", "mat1", "Traceback", "operator"))


@pytest.mark.bot(**FAILS)
async def test_the_log_that_comes_later_is_read_after_10_and_30_seconds(bot: Harness) -> None:
    await bot.ask()
    assert SO_FAR in await details(bot)
    await bot.later(seconds=4.9)
    assert logs_read(bot) == 1
    await bot.later(seconds=5.1)
    assert logs_read(bot) == 2
    shown = await details(bot)
    assert f"The workflow hit an error: {ERROR}." in shown
    assert "the bot's operator" in shown
    assert TRACEBACK in shown
    await bot.later(minutes=10)
    assert logs_read(bot) == 2
    assert len(bot.messages()) == 1


@pytest.mark.bot(**FAILS)
async def test_a_restart_loses_no_reading(bot: Harness) -> None:
    await bot.ask(faults=Faults(log_status=500))
    await bot.later(seconds=10)
    await bot.restart()
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults()
    await bot.later(seconds=20)
    assert ERROR in await details(bot)


@pytest.mark.bot(**FAILS)
async def test_only_the_requester_moderators_and_the_owner_read_the_log(
    bot: Harness, mona: MemberActor
) -> None:
    await bot.ask()
    await bot.later(seconds=10)
    for reader in (bot.alice, mona, owner(bot)):
        shown = await details(bot, reader)
        assert ERROR in shown
        assert TRACEBACK in shown
        assert 'File "[path]", line 323, in execute' in shown
        assert "Executing" in shown
        for hidden in ("/comfyui", "https://weights.example", "hf_notForPeople123", "__END__", "webhook"):
            assert hidden not in shown
    stranger = await details(bot, bot.bob)
    for hidden in ("RuntimeError", "mat1", "Traceback", "Executing", "log", SO_FAR):
        assert hidden not in stranger


async def test_too_little_memory_has_a_sentence_of_its_own(bot: Harness) -> None:
    await bot.restart(public_url=None)
    await bot.ask(faults=Faults(ends_as="failed", hold_at="running"))
    await bot.later(seconds=1)
    bot.comfydeploy.release()
    await bot.comfydeploy.idle()
    await bot.later(minutes=5)
    (shown,) = texts(bot)
    assert "This one didn't work: the machine ran out of memory. A smaller size may help." in shown
    assert "20.00 MiB" not in shown


async def test_a_log_that_comes_later_changes_the_sentence(bot: Harness) -> None:
    await bot.ask(faults=Faults(ends_as="failed"))
    (shown,) = texts(bot)
    assert SENTENCE in shown
    before = pinged(bot)
    await bot.later(seconds=10)
    (shown,) = texts(bot)
    assert "This one didn't work: the machine ran out of memory. A smaller size may help." in shown
    assert list(buttons_of(bot, bot.messages()[0])) == FAILURE_BUTTONS
    assert pinged(bot) == before


async def test_in_a_batch_the_sentence_of_one_changes(bot: Harness) -> None:
    message = await bot.made(faults=Faults(ends_as="failed"), count=2)
    assert f"**1** {SENTENCE}" in text_of(bot, message)
    await bot.later(seconds=10)
    (message,) = bot.messages()
    assert "**1** This one didn't work: the machine ran out of memory." in text_of(bot, message)
    assert list(buttons_of(bot, message))[:2] == ["1", "2"]
    assert len(message.attachments) == 1


@pytest.mark.bot(**FAILS)
async def test_a_log_without_another_sentence_edits_nothing(bot: Harness) -> None:
    await bot.ask()
    before = edits(bot)
    await bot.later(seconds=10)
    assert logs_read(bot) == 2
    assert edits(bot) == before


@pytest.mark.bot(**FAILS)
async def test_a_private_failure_tells_the_reason(bot: Harness) -> None:
    await set_rules(bot, private_results=True)
    await bot.restart(public_url=None)
    answer = await bot.ask(private=True)
    await bot.later(minutes=1)
    assert f"The workflow hit an error: {ERROR}." in text_of(bot, answer.response)
    assert bot.messages() == []


@pytest.mark.bot(**FAILS)
@pytest.mark.parametrize("status", [404, 500])
async def test_a_log_that_can_not_be_read_is_no_hindrance(bot: Harness, status: int) -> None:
    await bot.ask(faults=Faults(log_status=status))
    assert SENTENCE in texts(bot)[0]
    await bot.later(seconds=10)
    await bot.later(seconds=20)
    await bot.later(hours=1)
    assert logs_read(bot) == 3
    assert SO_FAR in await details(bot)
    assert len(bot.messages()) == 1


@pytest.mark.bot(**FAILS, run_logs=False)
async def test_logs_can_be_switched_off(bot: Harness) -> None:
    await bot.ask()
    await bot.later(minutes=1)
    assert SENTENCE in texts(bot)[0]
    assert SO_FAR in await details(bot)
    assert not logs_read(bot)


async def test_a_success_has_no_log(bot: Harness) -> None:
    await bot.ask()
    await bot.later(minutes=1)
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert not logs_read(bot)


@pytest.mark.bot(**FAILS)
async def test_an_erased_request_keeps_no_log(bot: Harness) -> None:
    await bot.ask()
    await bot.later(seconds=10)
    assert (await bot.run()).failure_log is not None
    await erase_data(bot)
    assert (await bot.run()).failure_log is None
