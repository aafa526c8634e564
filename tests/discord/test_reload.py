"""Deployments that change, in the file with `/reload`, and at ComfyDeploy without it."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import simcord

from bot.domain.runs import RunState
from cogs.moderation import UNSYNCED
from demo.fake_comfydeploy.deployments import PICTURE_ID, VIDEO_ID, InputNode, picture, video
from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import owner
from tests.discord.deployments import described
from tests.discord.rendered import refusal
from tests.harness import HELD, Harness
from tests.sampling import every_nth
from tests.unit.deployments.made import option_of

ONE = described(paint=PICTURE_ID)
TWO = described(paint=PICTURE_ID, film=VIDEO_ID)
DESCRIBED = f'{TWO}[deployments.film.inputs.prompt]\nkind = "text"\n'
pytestmark = pytest.mark.bot(deployments=ONE)


async def reload(bot: Harness, person: simcord.MemberActor) -> str:
    done = await person.slash(bot.channel, "reload")
    assert done.ephemeral
    return str(done.response.content)


async def test_a_deployment_that_is_added_can_be_used_at_once(bot: Harness) -> None:
    olga = owner(bot)
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    bot.runner.write_deployments(TWO)
    assert await reload(bot, olga) == "I have read the deployments again.\nAdded: `film`"
    await bot.ask(command="generate film")
    assert sorted(run.request.deployment for run in await bot.runs()) == ["film", "paint"]
    assert {run.state.value for run in await bot.runs()} == {"succeeded"}


@pytest.mark.bot(deployments=TWO)
async def test_a_deployment_that_is_gone_ends_what_was_under_way_as_before(bot: Harness) -> None:
    bot.comfydeploy.faults = HELD
    await bot.alice.slash(bot.channel, "generate film", prompt="a fox")
    await bot.play()
    bot.runner.write_deployments(ONE)
    assert await reload(bot, owner(bot)) == "I have read the deployments again.\nRemoved: `film`"
    await bot.release()
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert any("film" in repr(m.components) or m.attachments for m in bot.messages())


@pytest.mark.bot(deployments=TWO)
@pytest.mark.parametrize(
    ("text", "why"),
    every_nth(
        [
            ("[deployments.paint\n", "can't be read as TOML"),
            (f'{ONE}guid = "x"\n', "deployments.paint.guid: is not a setting"),
            (None, "can't be read"),
        ],
        3,
        1,
    ),
)
async def test_a_broken_file_changes_nothing_and_says_why(text: str | None, why: str, bot: Harness) -> None:
    olga, plan = owner(bot), bot.app.bot.app.catalogue.plan
    if text is None:
        bot.runner.settings.deployments_file.unlink()
    else:
        bot.runner.write_deployments(text)
    said = await reload(bot, olga)
    assert said.startswith("Nothing has changed, because the file has mistakes.")
    assert why in said.replace("\\", "")
    assert bot.app.bot.app.catalogue.plan == plan
    await bot.ask(command="generate film")
    assert (await bot.run()).state is RunState.SUCCEEDED
    bot.runner.write_deployments(ONE)
    assert "Removed: `film`" in await reload(bot, olga)


async def test_only_the_owner_may(bot: Harness) -> None:
    olga = owner(bot)
    bot.app.bot.owner_id = bot.bob.id
    bot.runner.write_deployments(TWO)
    refused = await olga.slash(bot.channel, "reload")
    assert refusal(bot, refused) == "Only the bot's owner and their team can do that."
    assert [each.name for each in bot.app.bot.app.catalogue.all()] == ["paint"]


async def test_the_owner_sends_unchanged_commands_again(
    bot: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    olga = owner(bot)
    with caplog.at_level(logging.INFO, "bot.gateway.commands"):
        assert await reload(bot, olga) == "I have read the deployments again.\nNothing has changed."
        assert caplog.messages == ["synced the commands to all servers"]
        await bot.later(minutes=11)
        assert caplog.messages == ["synced the commands to all servers"]


@pytest.mark.bot(deployments=TWO, comfydeploy={"deployments": [picture()]})
async def test_a_deployment_that_breaks_upstream_can_be_described_in_the_file(bot: Harness) -> None:
    olga = owner(bot)
    assert [each.name for each in bot.app.bot.app.catalogue.all()] == ["paint"]
    assert "Nothing has changed." in await reload(bot, olga)
    bot.runner.write_deployments(DESCRIBED)
    assert "Added: `film`" in await reload(bot, olga)
    bot.comfydeploy.world.deployments[VIDEO_ID] = video()  # type: ignore[index]
    bot.comfydeploy.faults = Faults(deployment_status=500)
    await bot.ask(command="generate film")
    assert (await bot.run()).state is RunState.SUCCEEDED


def add_artist(bot: Harness) -> None:
    """Add an input to the deployment at ComfyDeploy."""
    more = InputNode(class_type="TextSingleLine", input_id="artist", display_name="Artist")
    inputs = (*picture().inputs, more)
    bot.comfydeploy.world.deployments[PICTURE_ID] = replace(picture(), inputs=inputs)  # type: ignore[index]


async def test_a_change_at_comfydeploy_is_noticed_although_the_clock_was_set_back(bot: Harness) -> None:
    add_artist(bot)
    bot.clock.move(days=-1)
    await bot.play()
    assert option_of(bot.app.bot.app.catalogue.plan.commands[0], "artist") is not None


async def test_a_change_at_comfydeploy_is_noticed_without_being_asked(bot: Harness) -> None:
    add_artist(bot)
    await bot.later(minutes=9)
    assert option_of(bot.app.bot.app.catalogue.plan.commands[0], "artist") is None
    await bot.later(minutes=2)
    await bot.ask(artist="Dürer")
    assert (await bot.run()).inputs["artist"] == "Dürer"


@pytest.mark.bot(deployments=TWO)
async def test_a_comfydeploy_outage_removes_nothing(bot: Harness, caplog: pytest.LogCaptureFixture) -> None:
    plan = bot.app.bot.app.catalogue.plan
    bot.comfydeploy.faults = Faults(deployment_status=500)
    await bot.later(minutes=11, times=3)
    assert bot.app.bot.app.catalogue.plan == plan
    told = [text for text in caplog.messages if text.startswith("ComfyDeploy does not describe")]
    assert len(told) == 2


async def test_commands_that_discord_does_not_take_in_an_outage_are_synced_later(bot: Harness) -> None:
    bot.env.inject_error("PUT", "*/commands", status=503, times=None)
    bot.runner.write_deployments(TWO)
    told = await reload(bot, owner(bot))
    assert told.splitlines()[1:] == ["Added: `film`", UNSYNCED]
    await bot.later(minutes=11)
    bot.env.backend.faults.clear()
    assert UNSYNCED not in await reload(bot, owner(bot))
    await bot.ask(command="generate film")
    assert (await bot.run()).state is RunState.SUCCEEDED
