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
from tests.discord.rendered import csv_of, refusal, text_of
from tests.discord.settings_panel import Moderator
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
    assert (await told(bot, carl, "default")).startswith(f"<#{bot.channel.id}> has no default preset. ")
    assert (await told(bot, carl, "default", name="gone")).startswith("There is no preset **gone**.")
    assert (await told(bot, carl, "default", name="mine")).startswith("**mine** is your own preset.")
    await told(bot, carl, "default", name="noir")
    await share(bot, "day")
    await told(bot, carl, "default", name="day")
    assert await told(bot, carl, "default") == f"<#{bot.channel.id}> has no default preset any more."
    await told(bot, carl, "default", name="noir")
    mona = moderator(bot)
    asked = await mona.slash(bot.channel, "audit")
    log, here = text_of(bot, asked.response), f" · in <#{bot.channel.id}>\n"
    changes = [("none", "noir"), ("noir", "day"), ("day", "none"), ("none", "noir")]
    for before, after in changes:
        assert f"<@{carl.id}> changed the settings · Default preset: {before} → {after}{here}" in log
    _, rows = await csv_of(await mona.click(asked.response, label="CSV file"))
    assert [row["details"] for row in reversed(rows) if row["details"].startswith("Default")] == [
        f"Default preset: {before} → {after}; in #{bot.channel.name}" for before, after in changes
    ]
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


async def suggested(bot: Harness, actor: Any, command: str = "default", **given: Any) -> list[str]:
    found = await actor.autocomplete(bot.channel, f"preset {command}", "name", "", **given)
    return [choice["name"] for choice in found]


@pytest.mark.bot(deployments=TWO)
async def test_only_presets_are_suggested_that_can_be_chosen(bot: Harness, carl: simcord.MemberActor) -> None:
    await share(bot, "noir", deployment="picture")
    await share(bot, "old", deployment="gone")
    mona = moderator(bot)
    for person in (carl, mona, bot.alice):
        for deployment in ("picture", "gone"):
            own = made_preset(f"my {deployment}", holder_id=person.id, deployment=deployment)
            await bot.app.store.presets.put(own, bot.clock())
    assert await suggested(bot, carl) == ["noir"]
    assert await suggested(bot, bot.alice) == []
    assert await suggested(bot, bot.alice, "use") == ["my picture", "noir"]
    assert await suggested(bot, bot.alice, "share") == []
    assert await suggested(bot, mona, "share") == ["my gone", "my picture"]
    assert await suggested(bot, bot.alice, "delete") == ["my gone", "my picture"]
    assert await suggested(bot, bot.alice, "delete", server=True) == []
    assert await suggested(bot, mona, "delete", server=True) == ["noir", "old"]


async def test_the_list_of_presets_marks_it_also_in_threads(bot: Harness, carl: simcord.MemberActor) -> None:
    await share(bot)
    own = made_preset("noir", holder_id=bot.alice.id, deployment="default")
    await bot.app.store.presets.put(own, bot.clock())
    await told(bot, carl, "default", name="noir")
    other = bot.guild.create_text_channel("other")
    for channel, marks in ((bot.channel, 1), (thread_in(bot, bot.channel), 1), (other, 0)):
        listed = text_of(bot, (await bot.alice.slash(channel, "preset list")).response)
        assert listed.count("the default here") == marks
        assert listed.count("**noir** for Picture · this server's · the default here") == marks


async def test_the_settings_name_the_channels_with_a_default(bot: Harness, carl: simcord.MemberActor) -> None:
    mona, hint = Moderator(bot, "mona"), "`/preset default`, typed in a channel"
    await mona.open("results")
    assert f"**Default presets:** none\n-# {hint}" in mona.text
    await share(bot, "a *star*")
    voice, forum = bot.guild.create_voice_channel("voice"), bot.guild.create_forum_channel("forum")
    removed = bot.guild.create_text_channel("removed")
    await bot.env.settle()
    for channel in (bot.channel, voice, removed, thread_in(bot, forum)):
        await told(bot, carl, "default", channel, name="a *star*")
    bot.env.backend.delete_channel(removed.id)
    await bot.env.settle()
    await mona.open("results")
    named = [f"a \\*star\\* in <#{id}>" for id in sorted((bot.channel.id, voice.id, forum.id))]
    assert f"**Default presets:** {', '.join(named)}\n" in mona.text


@pytest.mark.bot(deployments=described(picture=PICTURE_ID) + "inputs.prompt.required = true\n")
@pytest.mark.parametrize(("prompt", "replaced"), [("an owl", True), ("{prompt}, in ink", False)])
async def test_a_prompt_that_is_always_replaced_is_told_to_whoever_sets_it(
    bot: Harness, carl: simcord.MemberActor, prompt: str, replaced: bool
) -> None:
    preset = made_preset(
        "noir", holder=Holder.SERVER, holder_id=bot.guild.id, deployment="picture", inputs={"prompt": prompt}
    )
    await bot.app.store.presets.put(preset, bot.clock())
    said = await told(bot, carl, "default", name="noir")
    sentence = "Its saved prompt has no `{prompt}`, so the prompt that people type always replaces it."
    assert (sentence in said) is replaced
    await bot.ask()
    assert [call.body["inputs"]["prompt"] for call in bot.calls] == ["a fox" if replaced else "a fox, in ink"]
