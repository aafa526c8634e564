"""`/preset default`: a server's preset as the default of a channel and its threads."""

from __future__ import annotations

import pytest
from simcord import MemberActor

from demo.fake_comfydeploy.deployments import PICTURE_ID, VIDEO_ID
from tests.discord.actors import member, moderator, read
from tests.discord.channels import thread_in
from tests.discord.deployments import TWO, described
from tests.discord.presets import keep, limits, share, told
from tests.discord.rendered import csv_of, text_of
from tests.discord.settings_panel import Panel
from tests.harness import HELD, Harness


@pytest.fixture
def carl(bot: Harness) -> MemberActor:
    """Add a member with Manage Channels."""
    return member(bot, "carl", manage_channels=True)


def styles(bot: Harness) -> list[str]:
    """Return the style of each request, empty without one."""
    return [call.body["inputs"].get("style", "") for call in bot.calls]


async def test_a_channels_default_fills_in_options_also_in_threads(bot: Harness, carl: MemberActor) -> None:
    await share(bot)
    thread = thread_in(bot, bot.channel)
    other = bot.guild.create_text_channel("other")
    await bot.env.settle()
    said = await told(bot, carl, "default", thread, name="NOIR", channel=True)
    assert f"\nIn <#{bot.channel.id}>, `/generate` starts from **noir**, set by <@{carl.id}>" in said
    assert said.endswith("\nWhat people type wins, or goes where `{prompt}` stands.")
    await bot.restart()
    await bot.ask(faults=HELD)
    assert text_of(bot, bot.messages()[-1]).endswith("preset: noir")
    await bot.release()
    assert text_of(bot, bot.messages()[-1]).splitlines()[-1].endswith(" · preset: noir")
    await bot.ask(style="neon")
    assert "preset: noir" not in text_of(bot, bot.messages()[-1])
    await bot.ask(channel=thread)
    await bot.ask(channel=other)
    assert styles(bot) == ["ink", "neon", "ink", ""]
    sentence = "`/generate` for Picture starts from the preset **noir** here. What you type wins, or goes"
    assert sentence in await limits(bot, bot.alice)
    assert "starts from the preset" not in await limits(bot, bot.alice, other)


async def test_only_managers_of_the_channel_change_its_default_and_the_log_has_it(
    bot: Harness, carl: MemberActor
) -> None:
    await share(bot)
    await keep(bot, carl, "mine")
    said = await told(bot, bot.alice, "default", name="noir", channel=True)
    assert said == "Only people with Manage Channels can set a channel's default."
    none = f"<#{bot.channel.id}> has no default preset"
    assert (await told(bot, carl, "default")).splitlines()[-1] == f"{none}."
    assert (await told(bot, carl, "default", channel=True, clear=True)).startswith(f"{none}. Type ")
    assert (await told(bot, carl, "default", name="gone", channel=True)).startswith(
        "There is no preset called **gone**."
    )
    assert (await told(bot, carl, "default", name="mine", channel=True)).startswith(
        "**mine** is your own preset."
    )
    await told(bot, carl, "default", name="noir", channel=True)
    await share(bot, "day")
    await told(bot, carl, "default", name="day", channel=True)
    shown = (await told(bot, bot.alice, "default")).splitlines()
    assert shown[0].startswith("You have no default of your own.")
    by = f"set by <@{carl.id}> <t:{int(bot.clock().timestamp())}:R>"
    assert shown[1] == f"In <#{bot.channel.id}>, `/generate` starts from **day**, {by}."
    assert (await told(bot, carl, "default", channel=True, clear=True)).endswith("no default preset.")
    await told(bot, carl, "default", name="noir", channel=True)
    mona = moderator(bot)
    asked = await mona.slash(bot.channel, "audit")
    log, here = text_of(bot, asked.response), f" · channel: <#{bot.channel.id}>\n"
    changes = [("none", "noir"), ("noir", "day"), ("day", "none"), ("none", "noir")]
    for before, after in changes:
        assert f"<@{carl.id}> changed the settings · Default preset: {before} → {after}{here}" in log
    _, rows = await csv_of(await mona.click(asked.response, label="CSV file"))
    assert [row["details"] for row in reversed(rows) if row["details"].startswith("Default")] == [
        f"Default preset: {before} → {after}; channel: #{bot.channel.name}" for before, after in changes
    ]
    await told(bot, mona, "delete", name="noir", server=True)
    await share(bot, style="neon")
    await bot.ask()
    assert styles(bot) == [""]


@pytest.mark.bot(deployments=TWO)
async def test_other_deployments_ignore_a_channels_default(bot: Harness, carl: MemberActor) -> None:
    await share(bot, deployment="picture")
    said = await told(bot, carl, "default", name="noir", channel=True)
    assert f"\nIn <#{bot.channel.id}>, `/generate picture` starts from **noir**, set by " in said
    bot.comfydeploy.next_faults(HELD)
    await bot.ask(command="generate video")
    await bot.ask(command="generate picture")
    assert [run.request.preset_note for run in await bot.runs()] == [None, "preset: noir"]
    await bot.restart(deployments=described(renamed=PICTURE_ID, video=VIDEO_ID))
    assert (await told(bot, carl, "default", name="noir", channel=True)).startswith(
        "**noir** is for a deployment that isn't offered any more."
    )
    assert len(bot.calls) == 2


async def test_the_list_marks_a_channels_default_also_in_threads(bot: Harness, carl: MemberActor) -> None:
    await share(bot)
    await keep(bot, bot.alice, "noir")
    await told(bot, carl, "default", name="noir", channel=True)
    other = bot.guild.create_text_channel("other")
    for channel, marks in ((bot.channel, 1), (thread_in(bot, bot.channel), 1), (other, 0)):
        listed = await read(bot, bot.alice, "preset list", channel=channel)
        assert listed.count("the default here") == marks
        assert listed.count("**noir** for Picture · this server's · the default here") == marks


async def test_the_settings_name_the_channels_with_a_default(
    bot: Harness, carl: MemberActor, panel: Panel
) -> None:
    await panel.open()
    assert "Default presets" not in panel.text
    await share(bot, "a *star*")
    voice, forum = bot.guild.create_voice_channel("voice"), bot.guild.create_forum_channel("forum")
    removed = bot.guild.create_text_channel("removed")
    await bot.env.settle()
    for channel in (bot.channel, voice, removed, thread_in(bot, forum)):
        await told(bot, carl, "default", channel, name="a *star*", channel=True)
    bot.env.backend.delete_channel(removed.id)
    await bot.env.settle()
    await panel.open()
    channels = sorted((bot.channel.id, voice.id, forum.id))
    assert "Default presets: " + ", ".join(f"a \\*star\\* in <#{id}>" for id in channels) in panel.text


@pytest.mark.bot(deployments=TWO)
async def test_a_second_default_replaces_the_first(bot: Harness, carl: MemberActor) -> None:
    dora = member(bot, "dora", manage_channels=True)
    await share(bot, "sun*set*", deployment="video")
    await share(bot, "noir", deployment="picture")
    await told(bot, carl, "default", name="sun*set*", channel=True)
    bot.clock.move(hours=1)
    await told(bot, dora, "default", name="noir", channel=True)
    await told(bot, carl, "default", name="noir", channel=True)
    listed = await read(bot, bot.alice, "preset list")
    by = f"set by <@{dora.id}> <t:{int(bot.clock().timestamp())}:R>"
    assert f"**noir** for Picture · this server's · the default here, {by}" in listed
    assert listed.count("the default here") == 1
