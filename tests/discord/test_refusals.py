"""What is refused before the queue call: one sentence to the person alone, and nothing spent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest

from demo.standin.deployments import PICTURE_ID, VIDEO_ID
from demo.standin.faults import Faults
from tests.discord.seen import forge, refusal
from tests.stage import Stage, stage

PNG = b"\x89PNG\r\n\x1a\n"
_NUMBER = """
[deployments.many.inputs.number{:02}]
kind = "integer"
min = 1
max = 9
default = 3
required = false
"""
MANY = f"""
[deployments.many]
deployment_id = "{PICTURE_ID}"
[deployments.many.inputs.prompt]
kind = "text"
""" + "".join(_NUMBER.format(at) for at in range(30))


async def assert_nothing_happened(s: Stage) -> None:
    await s.play()
    assert s.calls == []
    assert await s.runs() == []
    assert s.messages() == []


async def test_a_gpu_that_is_not_offered(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        told = refusal(s, await forge(s, s.alice, prompt="a fox", gpu="RTX4090"))
        assert "RTX4090" in told
        assert "A100-80GB" in told
        await assert_nothing_happened(s)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("number29=10", "`number29` is 10; the largest is 9."),
        ("number29=0", "`number29` is 0; the smallest is 1."),
        ("number29=red", "`number29` needs a whole number, not “red”."),
        ("colour=red", "There is no option `colour`"),
        ("number29=1, number29=2", "`number29` was given twice."),
        ("nonsense", "I can't read `more`"),
    ],
)
async def test_more_is_checked_like_any_option(tmp_path: Path, more: str, said: str) -> None:
    async with stage(tmp_path, deployments=MANY) as s:
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox", more=more)
        assert said in refusal(s, asked)
        await assert_nothing_happened(s)


async def test_more_reaches_comfydeploy(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=MANY) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox", more="number29=7, NUMBER28=2")
        await s.play()
        (call,) = s.calls
        assert call.body["inputs"]["number29"] == 7
        assert call.body["inputs"]["number28"] == 2


async def test_a_file_of_the_wrong_type(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox", image=("notes.txt", b"hello"))
        told = refusal(s, asked)
        assert "`image`" in told
        assert "notes.txt" in told
        await assert_nothing_happened(s)


async def test_a_picture_goes_on_as_its_address(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox", image=("start.png", PNG))
        assert not asked.ephemeral
        await s.play()
        (call,) = s.calls
        assert call.body["inputs"]["image"].startswith("https://cdn.simcord.invalid/")


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("send_messages", "Send Messages"),
        ("embed_links", "Embed Links"),
        ("attach_files", "Attach Files"),
        ("read_message_history", "Read Message History"),
    ],
)
async def test_a_missing_permission_is_named(tmp_path: Path, flag: str, name: str) -> None:
    async with stage(tmp_path) as s:
        overwrite: Any = discord.PermissionOverwrite(**{flag: False})
        closed = s.guild.create_text_channel("closed", overwrites={s.env.bot.user: overwrite})
        told = refusal(s, await s.alice.slash(closed, "generate", prompt="a fox"))
        assert f"I need: {name}." in told
        await assert_nothing_happened(s)


async def test_all_missing_permissions_are_named_at_once(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        denied = discord.PermissionOverwrite(attach_files=False, embed_links=False)
        closed = s.guild.create_text_channel("closed", overwrites={s.env.bot.user: denied})
        told = refusal(s, await s.alice.slash(closed, "generate", prompt="a fox"))
        assert "Embed Links, Attach Files" in told


async def test_a_server_that_the_operator_does_not_allow(tmp_path: Path) -> None:
    async with stage(tmp_path, allowed_guild_ids=(1,)) as s:
        told = refusal(s, await s.alice.slash(s.channel, "generate", prompt="a fox"))
        assert told == "This bot doesn't generate on this server. Its operator can allow it."
        await assert_nothing_happened(s)


async def test_the_days_gpu_seconds_are_used_up(tmp_path: Path) -> None:
    async with stage(tmp_path, daily_gpu_seconds=60) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        told = refusal(s, await s.bob.slash(s.channel, "generate", prompt="an owl"))
        assert told.startswith("Today's GPU time is used up.")
        await s.play()
        assert len(s.calls) == 1
        await s.later(days=1)
        asked = await s.bob.slash(s.channel, "generate", prompt="an owl")
        assert not asked.ephemeral


async def test_a_deployment_that_is_gone(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=f'[deployments.old]\ndeployment_id = "{PICTURE_ID}"') as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        (tmp_path / "deployments.toml").write_text(f'[deployments.new]\ndeployment_id = "{VIDEO_ID}"')
        await s.restart()
        told = await s.alice.click(s.messages()[0], label="Again")
        assert refusal(s, told).startswith("That deployment isn't offered any more.")
        await s.play()
        assert len(s.calls) == 1


async def test_the_database_is_away(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.app.store.close()
        with s.database_away():
            told = refusal(s, await s.alice.slash(s.channel, "generate", prompt="a fox"))
            assert told.startswith("I can't reach my database right now")
            assert s.calls == []
        await assert_nothing_happened(s)
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
        assert not asked.ephemeral


async def test_an_answer_that_discord_refuses_starts_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.env.inject_error("POST", "/interactions/*", status=404, code=10062)
        result = await s.alice.slash(s.channel, "generate", prompt="a fox")
        assert result.response is None
        assert s.env.errors == []
        await s.later(minutes=1)
        await assert_nothing_happened(s)


async def test_an_answer_of_unknown_fate_goes_on_and_the_result_is_posted(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.env.inject_error("POST", "/interactions/*", status=503)
        # simcord doesn't know @original in this place; Discord would say that there is no such message.
        s.env.inject_error("DELETE", "/webhooks/*", status=404, code=10008)
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        assert len(s.calls) == 1
        (message,) = s.messages()
        assert len(message.attachments) == 1
