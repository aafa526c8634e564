"""Prompts from strangers: nothing pings, nothing breaks a layout or passes a limit."""

from __future__ import annotations

import re

import pytest

from demo.fake_comfydeploy.deployments import CAPTION_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.rendered import buttons_of, pinged, stored, text_of
from tests.harness import Harness
from tests.sampling import every_nth

HOSTILE = [
    "@everyone @here <@&{role}> <@{bob}>",
    "[free nitro](https://evil.example/) <https://evil.example> https://evil.example discord.gg/evil",
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


@pytest.mark.parametrize("prompt", every_nth(HOSTILE, 3), ids=range(len(HOSTILE)))
@pytest.mark.parametrize("ends_as", every_nth(["success", "failed"], 2))
async def test_a_hostile_prompt_is_only_text(bot: Harness, prompt: str, ends_as: str) -> None:
    role = bot.guild.create_role("team")
    typed = prompt.replace("{role}", str(role.id)).replace("{bob}", str(bot.bob.id))
    asked = await bot.ask(
        faults=Faults.model_validate({"ends_as": ends_as, "hold_at": "running"}), prompt=typed
    )
    assert list(buttons_of(bot, asked.response)) == ["Cancel"]
    assert bot.calls[0].body["inputs"]["prompt"] == typed
    await bot.release()
    (message,) = bot.messages()
    assert pinged(bot) == [bot.alice.id]
    kept = stored(bot, message)
    assert kept.ping_user_ids == [bot.alice.id]
    assert not kept.ping_role_ids
    assert not kept.mention_everyone
    shown = text_of(bot, message)
    assert len(shown) < 1000
    live_text = re.sub(r"\\.", "", shown)  # without what a backslash takes the meaning from
    mentions = ("@everyone", "@here", f"<@{bot.bob.id}>", f"<@&{role.id}>")
    for live in (*mentions, "://evil", "discord.gg/", "\u202e", "```"):
        assert live not in live_text
    assert not re.search(r"\[[^\]]*\]\(", live_text)


@pytest.mark.bot(comfydeploy_deployment_id=CAPTION_ID)
async def test_a_text_output_is_only_text(bot: Harness) -> None:
    message = await bot.made(prompt=f"```@everyone <@{bot.bob.id}> ```")
    kept = stored(bot, message)
    assert kept.ping_user_ids == [bot.alice.id]
    assert not kept.mention_everyone
    assert text_of(bot, message).count("```") == 2


@pytest.mark.bot(comfydeploy_deployment_id=CAPTION_ID)
async def test_a_long_text_output_is_a_file(bot: Harness) -> None:
    message = await bot.made(prompt="long " * 1000)
    (attachment,) = message.attachments
    assert attachment.filename.endswith(".txt")
    assert (await attachment.read()).decode().count("long") == 1000
    assert pinged(bot) == [bot.alice.id]
