"""A broken machine holds up its own deployment only, and an outage ends when ComfyDeploy is back."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.deployments import MACHINE_DOWN_ID, MACHINE_FAILS_ID, PICTURE_ID
from tests.defects.seen import given, results
from tests.discord.actors import member
from tests.discord.deployments import described
from tests.discord.outages import away
from tests.discord.rendered import buttons_of, text_of
from tests.harness import Harness

WORKING, BROKEN = "generate picture", "generate broken"


def with_broken(deployment_id: str) -> pytest.MarkDecorator:
    return pytest.mark.bot(deployments=described(picture=PICTURE_ID, broken=deployment_id))


# ComfyDeploy describes a deployment with a broken machine as usual.
one_machine_is_broken = pytest.mark.parametrize(
    "how",
    [
        pytest.param("it answers 500", marks=with_broken(MACHINE_FAILS_ID)),
        pytest.param("it refuses connections", marks=with_broken(MACHINE_DOWN_ID)),
    ],
)


@one_machine_is_broken
async def test_a_broken_machine_holds_up_no_other_deployment(bot: Harness, how: str) -> None:
    with given():
        await bot.ask(command=WORKING)
        assert results(bot) == 1
    for done in range(2, 6):
        await bot.ask(command=BROKEN)
        await bot.ask(bot.bob, command=WORKING)
        assert results(bot) == done
        await bot.later(seconds=10)
    assert [call.body["deployment_id"] for call in bot.calls].count(PICTURE_ID) == 5


@one_machine_is_broken
async def test_the_failure_of_a_machine_is_not_blamed_on_comfydeploy(bot: Harness, how: str) -> None:
    told = await bot.made(command=BROKEN)
    with given():
        assert "Cancel" not in buttons_of(bot, told)
        assert "Try again" in buttons_of(bot, told)
    sentences = text_of(bot, told)
    assert "ComfyDeploy had a problem" not in sentences
    assert "ComfyDeploy doesn't answer" not in sentences
    assert any(word in sentences for word in ("machine", "deployment"))


async def test_a_request_starts_within_ten_seconds_of_comfydeploys_return(bot: Harness) -> None:
    carl = member(bot, "carl")
    with given():
        await bot.ask()
        assert results(bot) == 1
    with given():
        async with away(bot, "comfydeploy"):
            for person in (bot.alice, bot.bob, carl):
                await bot.ask(person)
            await bot.later(seconds=1, times=40)
            assert results(bot) == 1
            # Only the first request's queue call was made, which began the outage.
            assert len(bot.calls) == 2
    await bot.later(seconds=1, times=10)
    assert results(bot) == 3
