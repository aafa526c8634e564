"""`/reload` and what is noticed without it: deployments that change in the file and at ComfyDeploy."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import discord
import pytest
import simcord

from demo.standin import StandIn
from demo.standin.deployments import PICTURE_ID, VIDEO_ID, InputNode, picture
from demo.standin.faults import Faults
from tests.discord.rendered import refusal
from tests.harness import Harness, running_bot

ONE = f'[deployments.paint]\ndeployment_id = "{PICTURE_ID}"\n'
TWO = f'{ONE}[deployments.film]\ndeployment_id = "{VIDEO_ID}"\n'
DESCRIBED = f'{TWO}[deployments.film.inputs.prompt]\nkind = "text"\n'


def owner(bot: Harness) -> simcord.MemberActor:
    role = bot.guild.create_role("admin", permissions=discord.Permissions(administrator=True))
    person = bot.guild.add_member(bot.env.create_user("olga"), roles=[role])
    bot.app.bot.owner_id = person.id
    return person


def write(folder: Path, text: str) -> None:
    (folder / "deployments.toml").write_text(text, encoding="utf-8")


async def reload(bot: Harness, person: simcord.MemberActor) -> str:
    done = await person.slash(bot.channel, "reload")
    assert done.ephemeral
    return str(done.response.content)


@pytest.mark.bot(deployments=ONE)
async def test_a_deployment_that_is_added_can_be_used_at_once(bot: Harness, tmp_path: Path) -> None:
    olga = owner(bot)
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    write(tmp_path, TWO)
    assert await reload(bot, olga) == "I have read the deployments again.\nAdded: `film`"
    await bot.alice.slash(bot.channel, "generate film", prompt="a fox")
    await bot.play()
    assert sorted(run.deployment for run in await bot.runs()) == ["film", "paint"]
    assert {run.state.value for run in await bot.runs()} == {"succeeded"}


@pytest.mark.bot(deployments=TWO)
async def test_a_deployment_that_is_gone_ends_what_was_under_way_as_before(
    bot: Harness, tmp_path: Path
) -> None:
    await bot.alice.slash(bot.channel, "generate film", prompt="a fox")
    write(tmp_path, ONE)
    assert await reload(bot, owner(bot)) == "I have read the deployments again.\nRemoved: `film`"
    await bot.play()
    assert (await bot.run()).state.value == "succeeded"
    assert any("film" in repr(m.components) or m.attachments for m in bot.messages())


@pytest.mark.bot(deployments=TWO)
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[deployments.paint\n", "can't be read as TOML"),
        (f'{ONE}guid = "x"\n', "unknown setting 'guid'"),
        ("", "no deployment is described"),
        (f"{ONE}[deployments.film]\ndeployment_id = 'none'\n", "must be a UUID"),
        (None, "can't be read"),
    ],
)
async def test_a_broken_file_changes_nothing_and_says_why(
    text: str | None, why: str, bot: Harness, tmp_path: Path
) -> None:
    olga, plan = owner(bot), bot.app.bot.desk.plan
    if text is None:
        (tmp_path / "deployments.toml").unlink()
    else:
        write(tmp_path, text)
    said = await reload(bot, olga)
    assert said.startswith("Nothing has changed, since the deployments can't be offered as the file says.")
    assert why in said.replace("\\", "")
    assert bot.app.bot.desk.plan == plan
    await bot.alice.slash(bot.channel, "generate film", prompt="a fox")
    await bot.play()
    assert (await bot.run()).state.value == "succeeded"
    write(tmp_path, ONE)
    assert "Removed: `film`" in await reload(bot, olga)


@pytest.mark.bot(deployments=ONE)
async def test_only_the_owner_may(bot: Harness, tmp_path: Path) -> None:
    olga = owner(bot)
    bot.app.bot.owner_id = bot.bob.id
    write(tmp_path, TWO)
    refused = await olga.slash(bot.channel, "reload")
    assert refusal(bot, refused) == "Only the bot's owner can do that."
    assert [each.name for each in bot.app.bot.desk.deployments] == ["paint"]


@pytest.mark.bot(deployments=ONE)
async def test_what_did_not_change_is_not_synced_again(
    bot: Harness, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    olga = owner(bot)
    with caplog.at_level(logging.INFO, "bot.commands.sync"):
        assert await reload(bot, olga) == "I have read the deployments again.\nNothing has changed."
        assert caplog.messages == []
        write(tmp_path, TWO)
        await reload(bot, olga)
        assert caplog.messages == ["synced the commands to all servers"]


@pytest.mark.bot(deployments=ONE)
async def test_with_commands_on_one_server_alone(bot: Harness, tmp_path: Path) -> None:
    await bot.restart(command_guild_ids=(bot.guild.id,))
    write(tmp_path, TWO)
    await reload(bot, owner(bot))
    await bot.alice.slash(bot.channel, "generate film", prompt="a fox")
    await bot.play()
    assert (await bot.run()).deployment == "film"
    assert bot.app.bot.tree.get_commands() == []


async def test_a_deployment_that_breaks_upstream_can_be_described_in_the_file(tmp_path: Path) -> None:
    standin = StandIn(webhook_waits=(0, 0))
    video = standin.world.deployments.pop(VIDEO_ID)  # type: ignore[attr-defined]
    async with running_bot(tmp_path, deployments=TWO, standin=standin) as bot:
        olga = owner(bot)
        assert [each.name for each in bot.app.bot.desk.deployments] == ["paint"]
        assert "Nothing has changed." in await reload(bot, olga)
        write(tmp_path, DESCRIBED)
        assert "Added: `film`" in await reload(bot, olga)
        standin.world.deployments[VIDEO_ID] = video  # type: ignore[index]
        standin.faults = Faults(deployment_status=500)
        await bot.alice.slash(bot.channel, "generate film", prompt="a fox")
        await bot.play()
        assert (await bot.run()).state.value == "succeeded"


async def test_a_change_at_comfydeploy_is_noticed_without_being_asked(tmp_path: Path) -> None:
    standin = StandIn(webhook_waits=(0, 0))
    async with running_bot(tmp_path, deployments=ONE, standin=standin) as bot:
        more = InputNode(class_type="TextSingleLine", input_id="artist", display_name="Artist")
        inputs = (*picture().inputs, more)
        standin.world.deployments[PICTURE_ID] = replace(picture(), inputs=inputs)  # type: ignore[index]
        await bot.later(minutes=9)
        assert bot.app.bot.desk.plan.commands[0].option_for("artist") is None
        await bot.later(minutes=2)
        await bot.alice.slash(bot.channel, "generate", prompt="a fox", artist="Dürer")
        await bot.play()
        assert (await bot.run()).inputs["artist"] == "Dürer"


async def test_comfydeploy_away_takes_nothing_off_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    standin = StandIn(webhook_waits=(0, 0))
    async with running_bot(tmp_path, deployments=TWO, standin=standin) as bot:
        plan = bot.app.bot.desk.plan
        standin.faults = Faults(deployment_status=500)
        for _ in range(3):
            await bot.later(minutes=11)
        assert bot.app.bot.desk.plan == plan
        told = [text for text in caplog.messages if text.startswith("ComfyDeploy does not describe")]
        assert len(told) == 2
