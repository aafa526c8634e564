"""Prompts from strangers: nothing pings, nothing breaks a layout or passes a limit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from demo.standin.deployments import CAPTION_ID
from demo.standin.faults import Faults
from tests.discord.seen import buttons_of, pinged, stored, text_of
from tests.stage import stage

HOSTILE = [
    "@everyone @here <@&{role}> <@{bob}>",
    "[free nitro](https://evil.example/) <https://evil.example> https://evil.example",
    "x" * 6000,
    "*_~`|>#-" * 700,
    "```\n@everyone",
    "# heading\n> quote\n- list\n-# small\n1. one",
    "\u202eright to left\u2066 and \u200b\u200d zero \ufeff width",
    "a\u0301\u0327" * 2000,
    "👩‍👩‍👧‍👦" * 400,
    "{option} {name} %s %(x)s",
    "<t:0:R> <:emoji:1> <#1> </generate:1>",
]


@pytest.mark.parametrize("prompt", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("ends_as", ["success", "failed"])
async def test_a_hostile_prompt_is_only_text(tmp_path: Path, prompt: str, ends_as: str) -> None:
    async with stage(tmp_path) as s:
        role = s.guild.create_role("team")
        typed = prompt.replace("{role}", str(role.id)).replace("{bob}", str(s.bob.id))
        s.standin.next_faults(Faults.model_validate({"ends_as": ends_as, "hold_at": "running"}))
        asked = await s.alice.slash(s.channel, "generate", prompt=typed)
        await s.play()
        assert list(buttons_of(s, asked.response)) == ["Cancel"]
        assert s.calls[0].body["inputs"]["prompt"] == typed
        s.standin.release()
        await s.play()
        (message,) = s.messages()
        assert pinged(s) == [s.alice.id]
        kept = stored(s, message)
        assert kept.ping_user_ids == [s.alice.id]
        assert not kept.ping_role_ids
        assert not kept.mention_everyone
        shown = text_of(s, message)
        assert len(shown) < 1000
        live_text = re.sub(r"\\.", "", shown)  # without what a backslash takes the meaning from
        for live in ("@everyone", "@here", f"<@{s.bob.id}>", f"<@&{role.id}>", "\u202e", "```"):
            assert live not in live_text
        assert not re.search(r"\[[^\]]*\]\(", live_text)


async def test_a_text_output_is_only_text(tmp_path: Path) -> None:
    async with stage(tmp_path, comfydeploy_deployment_id=CAPTION_ID) as s:
        await s.alice.slash(s.channel, "generate", prompt=f"```@everyone <@{s.bob.id}> ```")
        await s.play()
        (message,) = s.messages()
        kept = stored(s, message)
        assert kept.ping_user_ids == [s.alice.id]
        assert not kept.mention_everyone
        assert text_of(s, message).count("```") == 2


async def test_a_long_text_output_is_a_file(tmp_path: Path) -> None:
    async with stage(tmp_path, comfydeploy_deployment_id=CAPTION_ID) as s:
        await s.alice.slash(s.channel, "generate", prompt="long " * 1000)
        await s.play()
        (message,) = s.messages()
        (attachment,) = message.attachments
        assert attachment.filename.endswith(".txt")
        assert (await attachment.read()).decode().count("long") == 1000
        assert pinged(s) == [s.alice.id]


async def test_a_failing_file_is_only_a_sentence(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(body="private-redirect"))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        for _ in range(8):
            await s.later(minutes=11)
        (message,) = s.messages()
        assert not message.attachments
        assert "169.254" not in text_of(s, message)
