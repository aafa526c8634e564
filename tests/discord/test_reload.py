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
from tests.discord.seen import refusal
from tests.stage import Stage, stage

ONE = f'[deployments.paint]\ndeployment_id = "{PICTURE_ID}"\n'
TWO = f'{ONE}[deployments.film]\ndeployment_id = "{VIDEO_ID}"\n'
DESCRIBED = f'{TWO}[deployments.film.inputs.prompt]\nkind = "text"\n'


def owner(s: Stage) -> simcord.MemberActor:
    role = s.guild.create_role("admin", permissions=discord.Permissions(administrator=True))
    person = s.guild.add_member(s.env.create_user("olga"), roles=[role])
    s.app.bot.owner_id = person.id
    return person


def write(folder: Path, text: str) -> None:
    (folder / "deployments.toml").write_text(text, encoding="utf-8")


async def reload(s: Stage, person: simcord.MemberActor) -> str:
    done = await person.slash(s.channel, "reload")
    assert done.ephemeral
    return str(done.response.content)


async def test_a_deployment_that_is_added_can_be_used_at_once(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ONE) as s:
        olga = owner(s)
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        write(tmp_path, TWO)
        assert await reload(s, olga) == "I have read the deployments again.\nAdded: `film`"
        await s.alice.slash(s.channel, "generate film", prompt="a fox")
        await s.play()
        assert sorted(run.deployment for run in await s.runs()) == ["film", "paint"]
        assert {run.state.value for run in await s.runs()} == {"succeeded"}


async def test_a_deployment_that_is_gone_ends_what_was_under_way_as_before(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=TWO) as s:
        await s.alice.slash(s.channel, "generate film", prompt="a fox")
        write(tmp_path, ONE)
        assert await reload(s, owner(s)) == "I have read the deployments again.\nRemoved: `film`"
        await s.play()
        assert (await s.run()).state.value == "succeeded"
        assert any("film" in repr(m.components) or m.attachments for m in s.messages())


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
async def test_a_broken_file_changes_nothing_and_says_why(text: str | None, why: str, tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=TWO) as s:
        olga, plan = owner(s), s.app.bot.desk.plan
        if text is None:
            (tmp_path / "deployments.toml").unlink()
        else:
            write(tmp_path, text)
        said = await reload(s, olga)
        assert said.startswith(
            "Nothing has changed, since the deployments can't be offered as the file says."
        )
        assert why in said.replace("\\", "")
        assert s.app.bot.desk.plan == plan
        await s.alice.slash(s.channel, "generate film", prompt="a fox")
        await s.play()
        assert (await s.run()).state.value == "succeeded"
        write(tmp_path, ONE)
        assert "Removed: `film`" in await reload(s, olga)


async def test_only_the_owner_may(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ONE) as s:
        olga = owner(s)
        s.app.bot.owner_id = s.bob.id
        write(tmp_path, TWO)
        refused = await olga.slash(s.channel, "reload")
        assert refusal(s, refused) == "Only the bot's owner can do that."
        assert [each.name for each in s.app.bot.desk.deployments] == ["paint"]


async def test_what_did_not_change_is_not_synced_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage(tmp_path, deployments=ONE) as s:
        olga = owner(s)
        with caplog.at_level(logging.INFO, "bot.commands.sync"):
            assert await reload(s, olga) == "I have read the deployments again.\nNothing has changed."
            assert caplog.messages == []
            write(tmp_path, TWO)
            await reload(s, olga)
            assert caplog.messages == ["synced the commands to all servers"]


async def test_with_commands_on_one_server_alone(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ONE) as s:
        await s.restart(command_guild_ids=(s.guild.id,))
        write(tmp_path, TWO)
        await reload(s, owner(s))
        await s.alice.slash(s.channel, "generate film", prompt="a fox")
        await s.play()
        assert (await s.run()).deployment == "film"
        assert s.app.bot.tree.get_commands() == []


async def test_a_deployment_that_breaks_upstream_can_be_described_in_the_file(tmp_path: Path) -> None:
    standin = StandIn(webhook_waits=(0, 0))
    video = standin.world.deployments.pop(VIDEO_ID)  # type: ignore[attr-defined]
    async with stage(tmp_path, deployments=TWO, standin=standin) as s:
        olga = owner(s)
        assert [each.name for each in s.app.bot.desk.deployments] == ["paint"]
        assert "Nothing has changed." in await reload(s, olga)
        write(tmp_path, DESCRIBED)
        assert "Added: `film`" in await reload(s, olga)
        standin.world.deployments[VIDEO_ID] = video  # type: ignore[index]
        standin.faults = Faults(deployment_status=500)
        await s.alice.slash(s.channel, "generate film", prompt="a fox")
        await s.play()
        assert (await s.run()).state.value == "succeeded"


async def test_a_change_at_comfydeploy_is_noticed_without_being_asked(tmp_path: Path) -> None:
    standin = StandIn(webhook_waits=(0, 0))
    async with stage(tmp_path, deployments=ONE, standin=standin) as s:
        more = InputNode(class_type="TextSingleLine", input_id="artist", display_name="Artist")
        inputs = (*picture().inputs, more)
        standin.world.deployments[PICTURE_ID] = replace(picture(), inputs=inputs)  # type: ignore[index]
        await s.later(minutes=9)
        assert s.app.bot.desk.plan.commands[0].option_for("artist") is None
        await s.later(minutes=2)
        await s.alice.slash(s.channel, "generate", prompt="a fox", artist="Dürer")
        await s.play()
        assert (await s.run()).inputs["artist"] == "Dürer"


async def test_comfydeploy_away_takes_nothing_off_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    standin = StandIn(webhook_waits=(0, 0))
    async with stage(tmp_path, deployments=TWO, standin=standin) as s:
        plan = s.app.bot.desk.plan
        standin.faults = Faults(deployment_status=500)
        for _ in range(3):
            await s.later(minutes=11)
        assert s.app.bot.desk.plan == plan
        told = [text for text in caplog.messages if text.startswith("ComfyDeploy does not describe")]
        assert len(told) == 2
