"""A channel's default preset: set with Manage Channels, used by `/generate` there, and shown."""

from __future__ import annotations

from typing import Any

import discord
import pytest
import simcord

from bot.domain.requests import Holder
from demo.fake_comfydeploy.deployments import PICTURE_ID, VIDEO_ID
from tests.discord.actors import moderator
from tests.discord.channels import thread_in
from tests.discord.deployments import TWO, described
from tests.discord.rendered import refusal, text_of
from tests.harness import HELD, Harness
from tests.unit.factories import made_preset


@pytest.fixture
def carl(bot: Harness) -> simcord.MemberActor:
    """Add a member with Manage Channels."""
    role = bot.guild.create_role("keepers", permissions=discord.Permissions(manage_channels=True))
    return bot.guild.add_member(bot.env.create_user("carl"), roles=[role])


async def told(bot: Harness, actor: Any, command: str, channel: Any = None, **given: Any) -> str:
    return refusal(bot, await actor.slash(channel or bot.channel, f"preset {command}", **given))


async def share(bot: Harness, name: str = "noir", *, deployment: str = "default", style: str = "ink") -> None:
    """Save a preset for the server."""
    preset = made_preset(
        name, holder=Holder.SERVER, holder_id=bot.guild.id, deployment=deployment, inputs={"style": style}
    )
    await bot.app.store.presets.put(preset, bot.clock())


def styles(bot: Harness) -> list[str]:
    """Return the style of each request, empty without one."""
    return [call.body["inputs"].get("style", "") for call in bot.calls]


async def test_it_fills_in_what_nobody_types_also_in_threads_and_after_a_restart(
    bot: Harness, carl: simcord.MemberActor
) -> None:
    await share(bot)
    thread = thread_in(bot, bot.channel)
    other = bot.guild.create_text_channel("other")
    await bot.env.settle()
    said = await told(bot, carl, "default", thread, name="NOIR")
    assert said == (
        f"`/generate` for Picture in <#{bot.channel.id}> now uses **noir**; what people type wins."
    )
    await bot.restart()
    await bot.ask(faults=HELD)
    assert "With this channel's default **noir**." in text_of(bot, bot.messages()[-1])
    await bot.release()
    await bot.ask(style="neon")
    await bot.ask(channel=thread)
    await bot.ask(channel=other)
    assert styles(bot) == ["ink", "neon", "ink", ""]
    help_text = text_of(bot, (await bot.alice.slash(bot.channel, "help")).response)
    assert "`/generate` for Picture uses the preset **noir** here; what you type wins." in help_text
    assert "uses the preset" not in text_of(bot, (await bot.alice.slash(other, "help")).response)


async def test_only_managers_of_the_channel_change_it_and_the_log_has_it(
    bot: Harness, carl: simcord.MemberActor
) -> None:
    await share(bot)
    own = made_preset("mine", holder_id=carl.id, deployment="default")
    await bot.app.store.presets.put(own, bot.clock())
    said = await told(bot, bot.alice, "default", name="noir")
    assert said == "Only people with Manage Channels can set a channel's default."
    assert await told(bot, carl, "default") == f"<#{bot.channel.id}> has no default preset."
    assert (await told(bot, carl, "default", name="gone")).startswith("There is no preset **gone**.")
    assert (await told(bot, carl, "default", name="mine")).startswith("**mine** is your own preset.")
    await told(bot, carl, "default", name="noir")
    assert await told(bot, carl, "default") == f"<#{bot.channel.id}> has no default preset any more."
    await told(bot, carl, "default", name="noir")
    mona = moderator(bot)
    log = text_of(bot, (await mona.slash(bot.channel, "audit")).response)
    assert f"channel {bot.channel.id}: default noir" in log
    assert f"channel {bot.channel.id}: no default" in log
    await told(bot, mona, "delete", name="noir", server=True)
    await share(bot, style="neon")
    await bot.ask()
    assert styles(bot) == [""]


@pytest.mark.bot(deployments=TWO)
async def test_another_deployment_ignores_it_and_one_that_is_gone_is_refused(
    bot: Harness, carl: simcord.MemberActor
) -> None:
    await share(bot, deployment="picture")
    said = await told(bot, carl, "default", name="noir")
    assert said.endswith("what people type wins. Other deployments there ignore it.")
    bot.comfydeploy.next_faults(HELD)
    await bot.ask(command="generate video")
    await bot.ask(command="generate picture")
    assert [run.default_preset for run in await bot.runs()] == [None, "noir"]
    await bot.restart(deployments=described(renamed=PICTURE_ID, video=VIDEO_ID))
    assert (await told(bot, carl, "default", name="noir")).startswith(
        "**noir** is for a deployment that isn't offered any more."
    )
    assert len(bot.calls) == 2
