"""The last error of a failed run's log: for the requester one line, for moderators and the owner more."""

from __future__ import annotations

import pytest
from simcord import MemberActor

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import FAILS_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import owner
from tests.discord.rendered import text_of, texts
from tests.harness import Harness

pytestmark = pytest.mark.bot(comfydeploy_deployment_id=FAILS_ID)
ERROR = "“RuntimeError: mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)”"
NO_REASON = "ComfyDeploy gives no reason"


async def details(bot: Harness, actor: MemberActor) -> str:
    shown = await actor.click(bot.messages()[0], label="Details")
    assert shown.ephemeral
    return text_of(bot, shown.response)


@pytest.mark.parametrize("webhooks", [True, False])
async def test_the_requester_reads_the_last_error(bot: Harness, webhooks: bool) -> None:
    if not webhooks:
        await bot.restart(public_url=None)
    await bot.ask()
    await bot.later(minutes=1, times=3)
    (shown,) = texts(bot)
    assert f"The run failed on the machine: {ERROR}." in shown
    assert "the bot's operator" in shown
    assert list(bot.comfydeploy.call_log.logs_read) == bot.calls[0].run_ids


async def test_only_moderators_and_the_owner_read_more_of_it(bot: Harness, mona: MemberActor) -> None:
    await bot.ask()
    olga = owner(bot)
    for reader in (mona, olga):
        shown = await details(bot, reader)
        assert "Traceback (most recent call last):" in shown
        assert 'File "[path]", line 323, in execute' in shown
        for hidden in ("/comfyui", "https://weights.example", "hf_notForPeople123"):
            assert hidden not in shown
    for reader in (bot.alice, bot.bob):
        assert "Traceback" not in await details(bot, reader)


@pytest.mark.parametrize("status", [404, 500])
async def test_a_log_that_can_not_be_read_is_no_hindrance(bot: Harness, status: int) -> None:
    await bot.ask(faults=Faults(log_status=status))
    (shown,) = texts(bot)
    assert NO_REASON in shown
    await bot.later(hours=1)
    assert len(bot.comfydeploy.call_log.logs_read) == 1
    assert len(bot.messages()) == 1


@pytest.mark.bot(run_logs=False)
async def test_logs_can_be_switched_off(bot: Harness) -> None:
    await bot.ask()
    assert NO_REASON in texts(bot)[0]
    assert not bot.comfydeploy.call_log.logs_read


async def test_a_success_has_no_log(bot: Harness) -> None:
    await bot.restart(comfydeploy_deployment_id="7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0001")
    await bot.ask()
    await bot.later(minutes=1)
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert not bot.comfydeploy.call_log.logs_read


async def test_an_erased_request_keeps_no_log(bot: Harness) -> None:
    await bot.ask()
    await bot.later(minutes=1)
    assert (await bot.run()).failure_log is not None
    await bot.app.store.privacy.erase(bot.alice.id, bot.clock())
    assert (await bot.run()).failure_log is None
