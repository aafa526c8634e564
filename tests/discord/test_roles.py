"""Limits by role, age of the account, Discord's own overrides, words and age restriction."""

from __future__ import annotations

import pytest

from tests.discord.actors import member, moderator, override, read
from tests.discord.channels import thread_in
from tests.discord.deployments import ADULT, ONE, TWO
from tests.discord.follow_ups import PICTURE, TARGETS, UPSCALE
from tests.discord.forged import press
from tests.discord.moderated_server import adult_channel, mark_adult, set_rules
from tests.discord.outages import held_calls
from tests.discord.rendered import buttons_of, refusal, requests_to
from tests.discord.settings_panel import Panel
from tests.harness import Harness

STARTING = "I'm still starting up. Please try again in a few seconds."
NOT_HERE = "This server's settings don't let you use this here."
AWAY = "Discord didn't answer, so nothing has changed. Please try again in a minute."


async def test_a_gpu_for_some_roles_is_refused_to_others_also_by_again(bot: Harness) -> None:
    patrons = bot.guild.create_role("patrons")
    pat = member(bot, "pat", patrons)
    message = await bot.made(gpu="H100")
    await set_rules(bot, gpu_roles={"H100": [patrons.id], "L4": [patrons.id]})
    told = "Your roles can't use H100. Choose another, or ask a moderator which role you need."
    assert refusal(bot, await bot.ask(gpu="H100")) == told
    assert refusal(bot, await bot.alice.click(message, label="Again")) == told
    assert not (await bot.ask(gpu="A10G")).ephemeral
    assert not (await bot.ask(pat, gpu="H100")).ephemeral
    assert len(bot.calls) == 3


@pytest.mark.bot(deployments=f"{ONE}gpus = []\n")
async def test_a_refusal_asks_for_no_gpu_if_none_can_be_chosen(bot: Harness, panel: Panel) -> None:
    patrons = bot.guild.create_role("patrons")
    pat = member(bot, "pat", patrons)
    await set_rules(bot, gpu_roles={"H100": [patrons.id]})
    told = "Only members who may use every restricted GPU can run this. Ask a moderator."
    assert refusal(bot, await bot.ask()) == told
    assert not (await bot.ask(pat)).ephemeral
    await panel.open()
    assert "No GPU can be chosen for: Picture." in panel.text


@pytest.mark.bot(deployments=TWO)
async def test_a_deployment_for_some_roles_names_those_that_one_may_use(bot: Harness) -> None:
    staff, artists = bot.guild.create_role("staff"), bot.guild.create_role("artists")
    art = member(bot, "art", artists)
    await set_rules(bot, deployment_roles={"video": [staff.id], "picture": [artists.id]})
    refused = await bot.ask(art, command="generate video")
    assert refusal(bot, refused).endswith("Restricted ones that you may use: picture.")
    assert not (await bot.ask(art, command="generate picture")).ephemeral
    bot.env.backend.remove_member_role(bot.guild.id, art.id, artists.id)
    assert refusal(bot, await bot.ask(art, command="generate picture")).endswith(
        "Ask a moderator which role you need."
    )


async def test_young_accounts_and_members_wait(bot: Harness) -> None:
    await set_rules(bot, people={"account_days": 30})
    assert "accounts older than 30 days" in refusal(bot, await bot.ask())
    assert not (await bot.ask(moderator(bot))).ephemeral
    await set_rules(bot, people={"member_days": 7})
    assert "7 days of membership" in refusal(bot, await bot.ask())
    bot.clock.move(days=8)
    assert not (await bot.ask()).ephemeral


async def test_an_administrator_stands_above_overrides(bot: Harness) -> None:
    adam = member(bot, "adam", administrator=True)
    await bot.ask(adam)
    override(bot, {bot.guild.default_role: False})
    assert not (await adam.click(bot.messages()[0], label="Again")).ephemeral


async def test_overrides_apply_to_post_and_share(bot: Harness) -> None:
    gallery = bot.guild.create_text_channel("gallery")
    await bot.env.settle()
    await set_rules(bot, gallery_channel_id=gallery.id)
    await bot.ask(count=2)
    (message,) = bot.messages()
    one = (await bot.alice.click(message, label="2")).response.message
    form = await bot.alice.click(one, label="Share")
    override(bot, {bot.alice.user: False})
    await bot.restart()
    for refused in (
        await bot.alice.click(one, label="Post"),
        await bot.alice.click(one, label="Share"),
        await bot.alice.submit_modal(form, {"prompt": True}),
    ):
        assert refusal(bot, refused) == NOT_HERE
    await bot.play()
    assert (len(bot.messages()), bot.messages(gallery)) == (1, [])


@pytest.mark.bot(deployments=PICTURE + UPSCALE.replace("Upscale", "generate") + TARGETS)
async def test_overrides_are_those_of_the_slash_command(bot: Harness) -> None:
    message = await bot.made(command="generate picture")
    registered = bot.env.backend.commands
    registered[None] = dict(reversed(registered[None].items()))  # Discord promises no order
    override(bot, {bot.guild.default_role: False})
    assert refusal(bot, await bot.alice.click(message, label="Again")) == NOT_HERE


async def test_help_and_presses_read_the_list_of_commands_once(bot: Harness) -> None:
    message = await bot.made()
    await read(bot, bot.alice, "help")
    assert not (await bot.alice.click(message, label="Again")).ephemeral
    lists = [call for call in requests_to(bot, "GET", "/commands") if call.path.endswith("/commands")]
    assert len(lists) == 1


async def test_while_discord_does_not_tell_the_overrides_a_press_is_refused(bot: Harness) -> None:
    message = await bot.made()
    bot.env.inject_error("GET", "*/permissions", status=503)
    assert refusal(bot, await bot.alice.click(message, label="Again")) == AWAY
    with held_calls(bot, "/permissions") as held:
        assert refusal(bot, await bot.alice.click(message, label="Again")) == AWAY
    assert len(held) == 2, "the command's overrides and the bot's are read together"
    assert not (await bot.alice.click(message, label="Again")).ephemeral


async def test_a_refused_word_is_told_without_it_and_noted_with_it(bot: Harness) -> None:
    message = await bot.made()
    await set_rules(bot, words={"blocked": ["fox"]})
    await bot.restart()
    for refused in (await bot.ask(prompt="a F0\u200bx"), await bot.alice.click(message, label="Again")):
        told = refusal(bot, refused)
        assert told.startswith("Your **prompt** has a word that this server blocks.")
        assert "fox" not in told.lower()
    negative = refusal(bot, await bot.ask(prompt="a hare", negative="fox"))
    assert negative.startswith("Your **negative**")
    assert len(bot.calls) == 1
    lines = [line for line in await bot.audit() if line.outcome == "words_refused"]
    assert [line.details["word"] for line in lines] == ["fox"] * 3
    name = (await bot.run()).request.deployment
    assert {(line.actor_id, line.deployment) for line in lines} == {(bot.alice.id, name)}


@pytest.mark.bot(deployments=ADULT)
async def test_an_age_restricted_deployment_runs_only_where_discord_marks_the_channel(bot: Harness) -> None:
    adult = await adult_channel(bot)
    told = "Please use this in an age-restricted channel."
    assert refusal(bot, await bot.ask()) == told
    assert not (await bot.ask(channel=adult)).ephemeral
    (message,) = bot.messages(adult)
    mark_adult(bot, adult, marked=False)
    bot.channel = adult
    refused = await press(bot, bot.alice, message, buttons_of(bot, message)["Again"])
    assert refusal(bot, refused) == told
    assert len(bot.calls) == 1
    lines = [line for line in await bot.audit() if line.action == "refusal"]
    assert [(line.actor_id, line.deployment, line.outcome) for line in lines] == [
        (bot.alice.id, "picture", "age_restricted")
    ] * 2


def make_unloaded(bot: Harness) -> None:
    """Leave the server as discord.py has it between READY and GUILD_CREATE."""
    guild = bot.app.bot.get_guild(bot.guild.id)
    assert guild is not None
    guild.unavailable = True
    guild._channels.clear()
    guild._threads.clear()
    guild._roles.clear()


async def test_a_thread_starts_nothing_until_its_parents_age_restriction_is_known(bot: Harness) -> None:
    thread = thread_in(bot, bot.channel)
    mark_adult(bot, bot.channel)
    await bot.env.settle()
    make_unloaded(bot)
    assert refusal(bot, await bot.ask(channel=thread)) == STARTING
    assert await bot.runs() == []


async def test_a_button_starts_nothing_until_the_servers_roles_are_known(bot: Harness) -> None:
    role = bot.guild.create_role("banned")
    carol = member(bot, "carol", role)
    await bot.ask(carol)
    override(bot, {role: False})
    make_unloaded(bot)
    assert refusal(bot, await carol.click(bot.messages()[-1], label="Again")) == STARTING
    await bot.play()
    assert len(bot.calls) == 1
