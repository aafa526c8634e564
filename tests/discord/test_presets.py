"""`/preset`: saved, used in two ways, shared with a server, and a channel's default."""

from __future__ import annotations

from typing import Any

import pytest
from simcord import MemberActor

from bot.database.tables import presets
from bot.domain.requests import Holder
from demo.fake_comfydeploy.deployments import PICTURE_ID, VARIATIONS_ID, VIDEO_ID
from tests.discord.actors import erase_data, member, moderator, read
from tests.discord.channels import thread_in
from tests.discord.deployments import TWO, described
from tests.discord.rendered import buttons_of, csv_of, pinged, refusal, text_of
from tests.discord.settings_panel import Panel
from tests.harness import HELD, Harness
from tests.unit.factories import made_preset


async def told(bot: Harness, actor: Any, command: str, channel: Any = None, **given: Any) -> str:
    return refusal(bot, await actor.slash(channel or bot.channel, f"preset {command}", **given))


async def inputs(bot: Harness) -> dict[str, Any]:
    """Return the inputs of the last queue call."""
    await bot.play()
    found: dict[str, Any] = bot.calls[-1].body["inputs"]
    return found


async def test_a_saved_preset_is_used_with_another_prompt_after_a_restart(bot: Harness) -> None:
    await bot.ask(style="ink", seed=7)
    said = await told(bot, bot.alice, "save", name="Noir")
    assert said == "Saved as **Noir** for Picture. Use it with `/preset use` or in `/generate`."
    await bot.restart()
    used = await bot.alice.slash(bot.channel, "preset use", name="noir", prompt="an owl")
    assert not used.ephemeral
    sent = await inputs(bot)
    assert (sent["prompt"], sent["style"]) == ("an owl", "ink")
    assert sent["seed"] != 7
    assert "> an owl" in text_of(bot, bot.messages()[-1])
    await bot.alice.slash(bot.channel, "preset use", name="noir")
    assert (await inputs(bot))["prompt"] == "a fox"
    assert pinged(bot) == [bot.alice.id] * 3


async def test_in_generate_what_is_typed_wins(bot: Harness) -> None:
    await bot.ask(style="ink", seed=7)
    await told(bot, bot.alice, "save", name="noir", seed=True)
    await bot.ask(prompt="an owl", preset="noir")
    sent = await inputs(bot)
    assert (sent["prompt"], sent["style"], sent["seed"]) == ("an owl", "ink", 7)
    await bot.ask(prompt="an owl", preset="noir", style="neon", seed=8)
    sent = await inputs(bot)
    assert (sent["style"], sent["seed"]) == ("neon", 8)


async def test_a_certain_request_can_be_saved_and_nobody_elses(bot: Harness) -> None:
    await bot.ask(prompt="first", style="ink")
    await bot.ask(prompt="second", style="neon")
    offered = await bot.alice.autocomplete(bot.channel, "preset save", "run", "FIRST", name="x")
    assert [choice["name"] for choice in offered] == ["Picture: first"]
    key = offered[0]["value"]
    assert await told(bot, bot.bob, "save", name="stolen", run=key) == "This request no longer exists."
    await told(bot, bot.alice, "save", name="one", run=key)
    await bot.alice.slash(bot.channel, "preset use", name="one")
    assert (await inputs(bot))["style"] == "ink"
    nothing = await told(bot, bot.bob, "save", name="x")
    assert nothing == "There is no request of yours to save. Try `/generate` first."


async def test_a_server_has_its_own_from_people_with_manage_server(bot: Harness, mona: MemberActor) -> None:
    await bot.ask(style="ink")
    await told(bot, bot.alice, "save", name="house")
    for command, options in (("share", {}), ("save", {"server": True}), ("delete", {"server": True})):
        refused = await told(bot, bot.alice, command, name="house", **options)
        assert refused.startswith("Only people with Manage Server can change a server's presets.")
    await bot.ask(mona, prompt="an owl", style="neon")
    await told(bot, mona, "save", name="house")
    shared = await told(bot, mona, "share", name="house")
    assert shared == "Everybody on this server can use **house** now."
    await bot.bob.slash(bot.channel, "preset use", name="house")
    assert (await inputs(bot))["style"] == "neon"
    # Alice's own goes before the server's of the same name.
    await bot.alice.slash(bot.channel, "preset use", name="house")
    assert (await inputs(bot))["style"] == "ink"
    assert await told(bot, mona, "delete", name="house") == "Deleted **house**."
    servers = await told(bot, mona, "delete", name="house")
    assert (
        servers
        == "**house** belongs to this server. People with Manage Server can delete it with `server: True`."
    )
    assert await told(bot, mona, "delete", name="house", server=True) == "Deleted **house**."
    unknown = await told(bot, bot.bob, "use", name="house")
    assert unknown == "There is no preset **house**. `/preset list` shows those you can use."
    assert await told(bot, bot.alice, "delete", name="house") == "Deleted **house**."
    assert (await told(bot, bot.alice, "delete", name="house")).startswith("There is no preset **house**.")


@pytest.mark.bot(deployments=described(picture=PICTURE_ID, variations=VARIATIONS_ID))
async def test_generate_suggests_ones_own_first_then_the_servers_of_that_deployment(bot: Harness) -> None:
    mona = moderator(bot)
    for person in (bot.alice, mona):
        await bot.ask(person, command="generate picture")
    await told(bot, bot.alice, "save", name="zebra")
    for name in ("Apple", "Zebra"):
        said = await told(bot, mona, "save", name=name, server=True)
        assert said.endswith(f"\nEverybody on this server can use **{name}** now.")
    offered = await bot.alice.autocomplete(bot.channel, "generate picture", "preset", "", prompt="x")
    assert [choice["name"] for choice in offered] == ["zebra", "Apple"]
    offered = await bot.bob.autocomplete(bot.channel, "generate picture", "preset", "ZE", prompt="x")
    assert [choice["name"] for choice in offered] == ["Zebra"]
    assert await bot.alice.autocomplete(bot.channel, "generate variations", "preset", "", prompt="x") == []
    async with bot.app.store.database.write() as connection:
        await connection.execute(presets.update().values(deployment="variations"))
    calls = len(bot.calls)
    refused = await bot.alice.slash(bot.channel, "generate picture", prompt="x", preset="zebra")
    assert refusal(bot, refused).startswith("**zebra** is a preset for Variations.")
    await bot.play()
    assert len(bot.calls) == calls


async def test_inputs_that_no_longer_fit_are_left_out_and_told(bot: Harness) -> None:
    await bot.ask(style="ink")
    await told(bot, bot.alice, "save", name="noir")
    old = {"prompt": "a fox", "gone": 1, "style": "engraving", "steps": "many"}
    async with bot.app.store.database.write() as connection:
        await connection.execute(presets.update().values(inputs=old, gpu="Z80"))
    used = await bot.alice.slash(bot.channel, "preset use", name="noir")
    (note,) = used.followups
    assert note.flags.ephemeral
    assert note.content.startswith("Some of **noir** doesn't fit any more and was left out: `gone`, `style`")
    assert note.content.endswith("`gpu`.")
    assert (await inputs(bot))["prompt"] == "a fox"


async def test_the_list_shows_what_one_can_use_in_pages_also_after_a_restart(bot: Harness) -> None:
    assert "There are none yet." in await read(bot, bot.alice, "preset list")
    mona = moderator(bot)
    await bot.ask(prompt="@everyone", style="ink")
    await bot.ask(mona)
    for number in range(10):
        await told(bot, bot.alice, "save", name=f"n{number}")
    await told(bot, mona, "save", name="house", server=True)
    listed = await bot.alice.slash(bot.channel, "preset list")
    assert listed.ephemeral
    assert text_of(bot, listed.response).count("for Picture") == 10
    assert "prompt=\\@everyone" in text_of(bot, listed.response)
    await bot.restart()
    await bot.alice.click(listed.response, label="More")
    assert "**house** for Picture · this server's" in text_of(bot, listed.response)
    assert list(buttons_of(bot, listed.response)) == ["Back", "More"]
    assert "n1" not in await read(bot, bot.bob, "preset list")


async def test_deleting_ones_data_deletes_ones_presets(bot: Harness) -> None:
    await bot.ask()
    await told(bot, bot.alice, "save", name="noir")
    await erase_data(bot)
    assert (await told(bot, bot.alice, "use", name="noir")).startswith("There is no preset **noir**.")


@pytest.fixture
def carl(bot: Harness) -> MemberActor:
    """Add a member with Manage Channels."""
    return member(bot, "carl", manage_channels=True)


async def share(bot: Harness, name: str = "noir", *, deployment: str = "default", style: str = "ink") -> None:
    """Save a preset for the server."""
    preset = made_preset(
        name, holder=Holder.SERVER, holder_id=bot.guild.id, deployment=deployment, inputs={"style": style}
    )
    await bot.app.store.presets.put(preset, bot.clock())


def styles(bot: Harness) -> list[str]:
    """Return the style of each request, empty without one."""
    return [call.body["inputs"].get("style", "") for call in bot.calls]


async def test_a_channels_default_fills_in_options_also_in_threads(bot: Harness, carl: MemberActor) -> None:
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
    sentence = "`/generate` for Picture uses the preset **noir** here; what you type wins."
    assert sentence in await read(bot, bot.alice, "help")
    assert "uses the preset" not in await read(bot, bot.alice, "help", channel=other)


async def test_only_managers_of_the_channel_change_its_default_and_the_log_has_it(
    bot: Harness, carl: MemberActor
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
async def test_other_deployments_ignore_a_channels_default(bot: Harness, carl: MemberActor) -> None:
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
async def test_only_presets_are_suggested_that_can_be_chosen(
    bot: Harness, carl: MemberActor, mona: MemberActor
) -> None:
    await share(bot, "noir", deployment="picture")
    await share(bot, "old", deployment="gone")
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


async def test_the_list_marks_a_channels_default_also_in_threads(bot: Harness, carl: MemberActor) -> None:
    await share(bot)
    own = made_preset("noir", holder_id=bot.alice.id, deployment="default")
    await bot.app.store.presets.put(own, bot.clock())
    await told(bot, carl, "default", name="noir")
    other = bot.guild.create_text_channel("other")
    for channel, marks in ((bot.channel, 1), (thread_in(bot, bot.channel), 1), (other, 0)):
        listed = await read(bot, bot.alice, "preset list", channel=channel)
        assert listed.count("the default here") == marks
        assert listed.count("**noir** for Picture · this server's · the default here") == marks


async def test_the_settings_name_the_channels_with_a_default(
    bot: Harness, carl: MemberActor, panel: Panel
) -> None:
    await panel.open("results")
    assert "**Default presets:** none\n-# `/preset default`, typed in a channel" in panel.text
    await share(bot, "a *star*")
    voice, forum = bot.guild.create_voice_channel("voice"), bot.guild.create_forum_channel("forum")
    removed = bot.guild.create_text_channel("removed")
    await bot.env.settle()
    for channel in (bot.channel, voice, removed, thread_in(bot, forum)):
        await told(bot, carl, "default", channel, name="a *star*")
    bot.env.backend.delete_channel(removed.id)
    await bot.env.settle()
    await panel.open("results")
    named = [f"a \\*star\\* in <#{id}>" for id in sorted((bot.channel.id, voice.id, forum.id))]
    assert f"**Default presets:** {', '.join(named)}\n" in panel.text


@pytest.mark.bot(deployments=described(picture=PICTURE_ID) + "inputs.prompt.required = true\n")
@pytest.mark.parametrize(("prompt", "replaced"), [("an owl", True), ("{prompt}, in ink", False)])
async def test_setting_a_default_whose_prompt_is_always_replaced_says_so(
    bot: Harness, carl: MemberActor, prompt: str, replaced: bool
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


async def test_a_prompt_with_a_gap_takes_in_the_typed_one(bot: Harness) -> None:
    await bot.ask()
    await told(bot, bot.alice, "save", name="house", prompt="{prompt}, in our house style")
    await bot.ask(prompt="an owl", preset="house")
    assert (await inputs(bot))["prompt"] == "an owl, in our house style"
    await bot.alice.slash(bot.channel, "preset use", name="house", prompt="a cat {prompt}")
    assert (await inputs(bot))["prompt"] == "a cat {prompt}, in our house style"
    calls = len(bot.calls)
    said = await told(bot, bot.alice, "use", name="house")
    assert said == "**house** is built around a prompt. Please give one with `prompt`."
    await bot.play()
    assert len(bot.calls) == calls
