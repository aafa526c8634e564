"""`/preset`: saved, used in two ways, shared with a server, and replaced."""

from __future__ import annotations

import json
from typing import Any

import discord
import pytest
from simcord import MemberActor

from bot.services.privacy import erase
from demo.fake_comfydeploy.deployments import PICTURE_ID, VARIATIONS_ID
from tests.discord.actors import erase_data, member, moderator, read
from tests.discord.deployments import TWO, described
from tests.discord.forged import own_answer, press
from tests.discord.moderated_server import set_rules
from tests.discord.presets import keep, limits, share, told
from tests.discord.rendered import buttons_of, filled, pinged, refusal, text_of
from tests.harness import Harness

FORGOTTEN = "I don't have that preset any more. Please save it again."


async def inputs(bot: Harness) -> dict[str, Any]:
    """Return the inputs of the last queue call."""
    await bot.play()
    found: dict[str, Any] = bot.calls[-1].body["inputs"]
    return found


async def test_a_saved_preset_is_used_with_another_prompt_after_a_restart(bot: Harness) -> None:
    await bot.ask(style="ink", seed=7)
    said = await told(bot, bot.alice, "save", name="Noir")
    assert said == (
        "Saved as **Noir** for Picture. Use it with `/preset use` or in `/generate`.\n"
        "-# prompt: a fox, style: ink"
    )
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
    elsewhere = bot.guild.create_text_channel("elsewhere")
    await bot.env.settle()
    stolen = await told(bot, bot.bob, "save", elsewhere, name="stolen", run=key)
    assert stolen == "This request no longer exists."
    for typed in ("garbage", "Picture: first", "a" * 15, "1" * 16):
        said = await told(bot, bot.alice, "save", name="none", run=typed)
        assert said == "I don't know this request. Please choose one from the list."
    assert await told(bot, bot.alice, "save", name="none", run="a" * 16) == "This request no longer exists."
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
    assert shared.startswith("Everybody on this server can use **house** now.\n-# prompt: an owl")
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
    assert unknown == "There is no preset called **house**. `/preset list` shows those you can use."
    assert await told(bot, bot.alice, "delete", name="house") == "Deleted **house**."
    assert (await told(bot, bot.alice, "delete", name="house")).startswith(
        "There is no preset called **house**."
    )


@pytest.mark.bot(deployments=described(picture=PICTURE_ID, variations=VARIATIONS_ID))
async def test_generate_suggests_ones_own_first_then_the_servers_of_that_deployment(bot: Harness) -> None:
    mona = moderator(bot)
    for person in (bot.alice, mona):
        await bot.ask(person, command="generate picture")
    await told(bot, bot.alice, "save", name="zebra")
    for name in ("Apple", "Zebra"):
        said = await told(bot, mona, "save", name=name, server=True)
        assert f"\nEverybody on this server can use **{name}** now.\n" in said
    offered = await bot.alice.autocomplete(bot.channel, "generate picture", "preset", "", prompt="x")
    assert [choice["name"] for choice in offered] == ["zebra", "Apple"]
    offered = await bot.bob.autocomplete(bot.channel, "generate picture", "preset", "ZE", prompt="x")
    assert [choice["name"] for choice in offered] == ["Zebra"]
    assert await bot.alice.autocomplete(bot.channel, "generate variations", "preset", "", prompt="x") == []
    await keep(bot, bot.alice, "lion", deployment="variations")
    calls = len(bot.calls)
    refused = await bot.alice.slash(bot.channel, "generate picture", prompt="x", preset="lion")
    assert refusal(bot, refused).startswith("**lion** is for Variations. Type `/generate variations` or")
    await bot.play()
    assert len(bot.calls) == calls


async def test_inputs_that_no_longer_fit_are_left_out_and_told(bot: Harness) -> None:
    old = {"prompt": "a fox", "gone": 1, "style": "engraving", "steps": "many"}
    await keep(bot, bot.alice, "noir", gpu="Z80", **old)
    used = await bot.alice.slash(bot.channel, "preset use", name="noir")
    (note,) = used.followups
    assert note.flags.ephemeral
    assert note.content.startswith("These inputs didn't fit and were left out: `gone`, `steps`, `style`")
    assert note.content.endswith("`gpu`.")
    assert (await inputs(bot))["prompt"] == "a fox"


async def test_the_list_shows_what_one_can_use_in_pages_also_after_a_restart(bot: Harness) -> None:
    assert "There are none yet." in await read(bot, bot.alice, "preset list")
    mona = moderator(bot)
    await bot.ask(prompt="@everyone", style="ink")
    await bot.ask(mona)
    for number in range(10):
        await told(bot, bot.alice, "save", name=f"n{number}")
        bot.clock.move(seconds=7)
    await told(bot, mona, "save", name="house", server=True)
    listed = await bot.alice.slash(bot.channel, "preset list")
    assert listed.ephemeral
    assert text_of(bot, listed.response).count("for Picture") == 10
    assert "prompt: \\@everyone" in text_of(bot, listed.response)
    await bot.restart()
    await bot.alice.click(listed.response, label="More")
    assert "**house** for Picture · this server's" in text_of(bot, listed.response)
    assert list(buttons_of(bot, listed.response)) == ["Back", "More"]
    assert "n1" not in await read(bot, bot.bob, "preset list")


async def test_deleting_ones_data_deletes_ones_presets(bot: Harness) -> None:
    await bot.ask()
    await told(bot, bot.alice, "save", name="noir")
    asked = await bot.alice.slash(bot.channel, "privacy delete")
    await bot.alice.click(asked.response, label="Delete my data")
    assert "\nDeleted your presets.\n" in f"{asked.response.content}\n"
    assert (await told(bot, bot.alice, "use", name="noir")).startswith("There is no preset called **noir**.")


async def suggested(bot: Harness, actor: Any, command: str = "default", **given: Any) -> list[str]:
    found = await actor.autocomplete(bot.channel, f"preset {command}", "name", "", **given)
    return [choice["name"] for choice in found]


@pytest.mark.bot(deployments=TWO)
async def test_only_presets_are_suggested_that_can_be_chosen(bot: Harness, mona: MemberActor) -> None:
    carl = member(bot, "carl", manage_channels=True)
    await share(bot, "noir", deployment="picture")
    await share(bot, "old", deployment="gone")
    for person in (carl, mona, bot.alice):
        for deployment in ("picture", "gone"):
            await keep(bot, person, f"my {deployment}", deployment=deployment)
    assert await suggested(bot, carl, channel=True) == ["noir"]
    assert await suggested(bot, bot.alice, channel=True) == []
    assert await suggested(bot, bot.alice) == ["my picture"]
    assert await suggested(bot, bot.alice, "use") == ["my picture", "noir"]
    assert await suggested(bot, bot.alice, "share") == []
    assert await suggested(bot, mona, "share") == ["my gone", "my picture"]
    assert await suggested(bot, bot.alice, "delete") == ["my gone", "my picture"]
    assert await suggested(bot, bot.alice, "delete", server=True) == []
    assert await suggested(bot, mona, "delete", server=True) == ["noir", "old"]


async def test_a_prompt_with_a_gap_takes_in_the_typed_one(bot: Harness) -> None:
    await bot.ask()
    await told(bot, bot.alice, "save", name="house", prompt="{prompt}, in our house style")
    await bot.ask(prompt="an owl", preset="house")
    assert (await inputs(bot))["prompt"] == "an owl, in our house style"
    await bot.alice.slash(bot.channel, "preset use", name="house", prompt="a cat {prompt}")
    assert (await inputs(bot))["prompt"] == "a cat {prompt}, in our house style"
    calls = len(bot.calls)
    said = await told(bot, bot.alice, "use", name="house")
    assert said == "**house** needs a prompt. Please type one."
    await bot.play()
    assert len(bot.calls) == calls


async def ask_again(bot: Harness, actor: Any, command: str, **given: Any) -> Any:
    """Use a name that is taken, and return the message that asks whether to replace the earlier preset."""
    asked = await actor.slash(bot.channel, f"preset {command}", **given)
    assert asked.ephemeral
    whose = "This server already has" if given.get("server") or command == "share" else "You already have"
    assert text_of(bot, asked.response).startswith(f"{whose} a preset with this name. Replace it?\n")
    assert list(buttons_of(bot, asked.response)) == ["Replace"]
    return asked.response


async def test_a_taken_name_is_replaced_only_after_a_question(bot: Harness) -> None:
    await bot.ask(style="ink")
    await told(bot, bot.alice, "save", name="Noir")
    await bot.ask(prompt="an owl", style="neon")
    question = await ask_again(bot, bot.alice, "save", name="noir")
    told_of = text_of(bot, question).splitlines()[1:]
    assert told_of == [
        f"**Noir** for Picture · saved <t:{int(bot.clock().timestamp())}:R>",
        "-# prompt: a fox, style: ink",
    ]
    await bot.alice.slash(bot.channel, "preset use", name="noir")
    assert (await inputs(bot))["style"] == "ink"
    # The request that was to be saved counts, not the latest one.
    await bot.alice.click(question, label="Replace")
    assert text_of(bot, question).splitlines() == [
        "Saved **noir** for Picture; it replaced the preset of the same name.",
        "-# prompt: an owl, style: neon",
    ]
    assert buttons_of(bot, question) == {}
    await bot.alice.slash(bot.channel, "preset use", name="noir")
    sent = await inputs(bot)
    assert (sent["prompt"], sent["style"]) == ("an owl", "neon")


async def test_a_servers_preset_is_replaced_by_its_managers_after_a_question(
    bot: Harness, mona: MemberActor
) -> None:
    olga = moderator(bot, "olga")
    await bot.ask(mona, style="ink")
    await told(bot, mona, "save", name="house", server=True)
    await bot.ask(olga, style="neon")
    saving = await ask_again(bot, olga, "save", name="house", server=True)
    assert f"**house** for Picture · this server's · saved by <@{mona.id}> <t:" in text_of(bot, saving)
    await told(bot, olga, "save", name="house")
    bot.clock.move(minutes=1)
    sharing = await ask_again(bot, olga, "share", name="house")
    (replace,) = buttons_of(bot, sharing).values()
    forged = await press(bot, bot.alice, await own_answer(bot, bot.alice), replace)
    assert refusal(bot, forged) == FORGOTTEN
    await olga.click(saving, label="Replace")
    assert text_of(bot, saving).splitlines()[:2] == [
        "Saved **house** for Picture; it replaced the preset of the same name.",
        "Everybody on this server can use **house** now.",
    ]
    bot.clock.move(seconds=1)
    # Meanwhile another preset has the name, so the earlier answer counts for nothing.
    await olga.click(sharing, label="Replace")
    assert f"saved by <@{olga.id}>" in text_of(bot, sharing)
    await olga.click(sharing, label="Replace")
    assert text_of(bot, sharing).startswith("Saved **house** for Picture; it replaced")
    log = await read(bot, mona, "audit", action="settings")
    assert log.count(f"<@{olga.id}> changed the settings · Preset house: saved → replaced") == 2
    assert log.count("Preset house: none → saved") == 1


async def test_a_manager_who_lost_the_permission_replaces_nothing(bot: Harness) -> None:
    role = bot.guild.create_role("managers", permissions=discord.Permissions(manage_guild=True))
    mona = member(bot, "mona", role)
    await bot.ask(mona, style="ink")
    await told(bot, mona, "save", name="house", server=True)
    await bot.ask(mona, style="neon")
    question = await ask_again(bot, mona, "save", name="house", server=True)
    bot.env.backend.delete_role(bot.guild.id, role.id)
    await bot.env.settle()
    refused = await mona.click(question, label="Replace")
    assert refusal(bot, refused).startswith("Only people with Manage Server can change a server's presets.")
    await bot.bob.slash(bot.channel, "preset use", name="house")
    assert (await inputs(bot))["style"] == "ink"


async def test_after_a_restart_nothing_is_replaced(bot: Harness) -> None:
    await bot.ask(style="ink")
    await told(bot, bot.alice, "save", name="noir")
    await bot.ask(style="neon")
    question = await ask_again(bot, bot.alice, "save", name="noir")
    await bot.restart()
    refused = await bot.alice.click(question, label="Replace")
    assert refusal(bot, refused) == FORGOTTEN
    await bot.alice.slash(bot.channel, "preset use", name="noir")
    assert (await inputs(bot))["style"] == "ink"


async def test_many_drafts_of_one_user_leave_those_of_others(bot: Harness) -> None:
    await bot.ask()
    await bot.ask(bot.bob)
    await told(bot, bot.alice, "save", name="noir")
    question = await ask_again(bot, bot.alice, "save", name="noir", prompt="a wolf")
    await told(bot, bot.bob, "save", name="b")
    for number in range(30):
        bot.clock.move(seconds=7)
        await ask_again(bot, bot.bob, "save", name="b", prompt=f"fox {number}")
    await bot.alice.click(question, label="Replace")
    assert text_of(bot, question).startswith("Saved **noir** for Picture; it replaced")


async def test_replace_brings_back_nothing_that_its_user_has_erased(bot: Harness) -> None:
    await bot.ask()
    await told(bot, bot.alice, "save", name="noir")
    question = await ask_again(bot, bot.alice, "save", name="noir", prompt="a secret")
    await erase_data(bot)
    assert refusal(bot, await bot.alice.click(question, label="Replace")) == FORGOTTEN
    assert "There are none yet." in await read(bot, bot.alice, "preset list")


@pytest.mark.parametrize(
    ("command", "said"),
    [("save", "The data of this request was deleted"), ("share", "There is no preset called **noir**.")],
)
async def test_nor_anything_that_another_process_has_erased(
    bot: Harness, mona: MemberActor, command: str, said: str
) -> None:
    """The store is asked, because this process still has the draft."""
    await share(bot, "noir")
    await bot.ask(mona, prompt="a secret")
    await told(bot, mona, "save", name="noir")
    given = {"server": True} if command == "save" else {}
    question = await ask_again(bot, mona, command, name="noir", **given)
    async with bot.another_process() as other:
        await erase(other.app, mona.id)
    assert refusal(bot, await mona.click(question, label="Replace")).startswith(said)
    left = await read(bot, mona, "preset list")
    assert left.count("**noir** for ") == 1
    assert "style: ink" in left


async def test_nothing_is_saved_in_place_of_a_preset_that_is_gone(bot: Harness) -> None:
    await bot.ask()
    await told(bot, bot.alice, "save", name="noir")
    question = await ask_again(bot, bot.alice, "save", name="noir", prompt="a wolf")
    await told(bot, bot.alice, "delete", name="noir")
    refused = await bot.alice.click(question, label="Replace")
    assert refusal(bot, refused) == (
        "The earlier preset is gone, so I saved nothing. Please type the command again."
    )
    assert "There are none yet." in await read(bot, bot.alice, "preset list")


async def save_form(bot: Harness, message: Any, actor: Any) -> Any:
    """Open the form behind More that saves a result's inputs."""
    more = await actor.click(message, label="⋯ More")
    return await actor.click(more.response.message, label="Save preset")


async def test_more_saves_anybodys_result_in_a_form(bot: Harness, mona: MemberActor) -> None:
    message = await bot.made(prompt="a fox", style="ink", seed=7)
    form = await save_form(bot, message, bot.bob)
    assert filled(form.modal) == {"name": "", "prompt": "a fox", "seed": False}
    await bot.restart()
    saved = await bot.bob.submit_modal(form, {"name": "Noir", "prompt": "{prompt} in ink", "seed": True})
    assert refusal(bot, saved).startswith("Saved as **Noir** for Picture.")
    await bot.ask(bot.bob, prompt="an owl", preset="noir")
    sent = await inputs(bot)
    assert (sent["prompt"], sent["style"], sent["seed"]) == ("an owl in ink", "ink", 7)
    assert "preset" not in text_of(bot, bot.messages()[-1]), "one's own name is nobody else's business"
    form = await save_form(bot, message, mona)
    values = {"name": "house", "prompt": "", "seed": False, "server": True}
    assert filled(form.modal) == {**values, "prompt": "a fox", "name": "", "server": False}
    saved = await mona.submit_modal(form, values)
    assert "\nEverybody on this server can use **house** now.\n" in refusal(bot, saved)
    await bot.ask(prompt="a cat", preset="house")
    sent = await inputs(bot)
    assert (sent["prompt"], sent["style"], sent["seed"] != 7) == ("a cat", "ink", True)
    assert text_of(bot, bot.messages()[-1]).splitlines()[-1].endswith(" · preset: house")


async def test_a_refused_form_opens_again_with_what_was_typed(bot: Harness) -> None:
    message = await bot.made(prompt="a fox", seed=7)
    form = await save_form(bot, message, bot.alice)
    refused = await bot.alice.submit_modal(form, {"name": "\u200b", "prompt": "an owl", "seed": True})
    assert refusal(bot, refused).startswith("A preset needs a name. Please type one.")
    again = await bot.alice.click(refused.response.message, label="Edit and try again")
    assert filled(again.modal) == {"name": "\u200b", "prompt": "an owl", "seed": True}
    saved = await bot.alice.submit_modal(again, {"name": "owl", "prompt": "an owl", "seed": True})
    assert refusal(bot, saved).startswith("Saved as **owl** for Picture.")


async def test_the_form_asks_too_before_it_replaces_and_a_gone_result_is_told(bot: Harness) -> None:
    message = await bot.made(style="ink")
    for style in ("oil", "ink"):
        form = await save_form(bot, message, bot.alice)
        saved = await bot.alice.submit_modal(form, {"name": "noir", "prompt": style, "seed": False})
    assert text_of(bot, saved.response).startswith("You already have a preset with this name. Replace it?\n")
    await bot.alice.click(saved.response.message, label="Replace")
    await bot.alice.slash(bot.channel, "preset use", name="noir")
    assert (await inputs(bot))["prompt"] == "ink"
    form = await save_form(bot, message, bot.alice)
    await erase_data(bot)
    gone = await bot.alice.submit_modal(form, {"name": "late", "prompt": "", "seed": False})
    assert refusal(bot, gone).startswith("The data of this request was deleted")


@pytest.mark.bot(deployments=described(picture=PICTURE_ID))
async def test_a_preset_or_form_whose_deployment_is_gone_says_so(bot: Harness) -> None:
    await bot.ask(command="generate")
    message = bot.messages()[-1]
    await told(bot, bot.alice, "save", name="noir")
    await bot.restart(deployments=described(renamed=PICTURE_ID))
    form = await save_form(bot, message, bot.alice)
    await bot.restart(deployments=described(variations=VARIATIONS_ID))
    gone = "That deployment isn't offered any more."
    values = {"name": "late", "prompt": "", "seed": False}
    assert refusal(bot, await bot.alice.submit_modal(form, values)).startswith(gone)
    more = await bot.alice.click(message, label="⋯ More")
    pressed = await bot.alice.click(more.response.message, label="Save preset")
    assert refusal(bot, pressed).startswith(gone)
    assert (await told(bot, bot.alice, "use", name="noir")).startswith(gone)
    assert "**noir** for picture" in await read(bot, bot.alice, "preset list")
    refused = await told(bot, bot.alice, "default", name="noir")
    assert refused.startswith("**noir** is for a deployment that isn't offered any more.")


async def test_a_person_has_at_most_25_presets(bot: Harness) -> None:
    for number in range(25):
        await keep(bot, bot.alice, f"n{number}")
    await bot.ask()
    said = await told(bot, bot.alice, "save", name="one more")
    assert said == "You have 25 presets, which is the limit. Please delete one first."


async def test_what_is_typed_wins_then_the_named_preset_then_ones_own_default_then_the_channels(
    bot: Harness, mona: MemberActor
) -> None:
    await share(bot, "house", default_in=[bot.channel], style="neon", negative="ugly", width="640")
    await keep(bot, bot.alice, "mine", style="ink", width=704, height=512)
    await keep(bot, bot.alice, "named", style="pastel")
    said = await told(bot, bot.alice, "default", name="MINE")
    assert said == await told(bot, bot.alice, "default")
    assert said.splitlines()[0] == "For you, `/generate` starts from **mine**."
    assert said.endswith("What people type wins, or goes where `{prompt}` stands.")
    await bot.restart()
    await bot.ask(preset="named", height=576)
    sent = await inputs(bot)
    assert [sent[key] for key in ("style", "negative", "width", "height")] == ["pastel", "ugly", 704, 576]
    assert text_of(bot, bot.messages()[-1]).splitlines()[-1].endswith(" · your default · preset: house")
    listed = await read(bot, bot.alice, "preset list")
    assert "**mine** for Picture · your default\n" in listed
    assert "preset **mine** here" in await limits(bot, bot.alice)
    assert "mine" not in await limits(bot, bot.bob)
    await bot.ask(bot.bob)
    assert (await inputs(bot))["style"] == "neon"
    servers = await told(bot, bot.alice, "default", name="house")
    assert servers.startswith("**house** is this server's preset. With `channel: True` it becomes")
    removed = await told(bot, bot.alice, "default", clear=True)
    assert removed.startswith("I removed your defaults.\nYou have no default of your own.")
    await bot.ask()
    assert (await inputs(bot))["style"] == "neon"


async def test_ones_own_default_is_exported_and_erased(bot: Harness) -> None:
    await keep(bot, bot.alice, "mine", style="ink")
    await told(bot, bot.alice, "default", name="mine")
    exported = await bot.alice.slash(bot.channel, "privacy export")
    file = await exported.response.attachments[0].read()
    lines = map(json.loads, file.decode().splitlines())
    assert [line["is_default"] for line in lines if line["kind"] == "preset"] == [True]
    await erase_data(bot)
    await bot.ask()
    assert "style" not in await inputs(bot)


async def test_the_words_of_a_preset_are_checked_when_it_is_used(bot: Harness, mona: MemberActor) -> None:
    await share(bot, "house", default_in=[bot.channel], prompt="{prompt} with a badger")
    await keep(bot, bot.alice, "mine", negative="a badger")
    await bot.ask(prompt="an owl")
    await set_rules(bot, words={"blocked": ["badger"]})
    calls = len(bot.calls)
    refused = refusal(bot, await bot.bob.slash(bot.channel, "generate", prompt="an owl"))
    assert "**house**" in refused
    refused = refusal(bot, await bot.alice.slash(bot.channel, "preset use", name="mine", prompt="an owl"))
    assert "**house**" in refused
    await told(bot, member(bot, "carl", manage_channels=True), "default", channel=True, clear=True)
    refused = refusal(bot, await bot.alice.slash(bot.channel, "preset use", name="mine", prompt="an owl"))
    assert refused.startswith("Your **negative** has a word that this server blocks.")
    await bot.play()
    assert len(bot.calls) == calls


async def test_the_list_says_where_it_cuts_a_text(bot: Harness) -> None:
    await keep(bot, bot.alice, "long", prompt="fox " * 80)
    listed = await read(bot, bot.alice, "preset list")
    assert listed.endswith("… (cut; 328 characters in all)")
