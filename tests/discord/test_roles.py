"""Who may use what: GPUs and deployments by role, people by age and block, Discord's own overrides, words."""

from __future__ import annotations

import discord
import pytest
from simcord import MemberActor

from tests.contract.store.rows import audit_log
from tests.discord.actors import moderator, override
from tests.discord.deployments import ADULT, TWO
from tests.discord.forged import press
from tests.discord.moderated_server import mark_adult, set_rules
from tests.discord.rendered import buttons_of, refusal
from tests.harness import Harness


async def test_a_gpu_for_some_roles_is_refused_to_others_also_by_again(bot: Harness) -> None:
    patrons = bot.guild.create_role("patrons")
    pat = bot.guild.add_member(bot.env.create_user("pat"), roles=[patrons])
    message = await bot.made(gpu="H100")
    await set_rules(bot, gpu_roles={"H100": [patrons.id], "L4": [patrons.id]})
    told = "Your roles can't use H100. Choose another, or ask a moderator which role you need."
    assert refusal(bot, await bot.ask(gpu="H100")) == told
    assert refusal(bot, await bot.alice.click(message, label="Again")) == told
    assert not (await bot.ask(gpu="A10G")).ephemeral
    assert not (await bot.ask(pat, gpu="H100")).ephemeral
    assert len(bot.calls) == 3


@pytest.mark.bot(deployments=TWO)
async def test_a_deployment_for_some_roles_names_those_that_one_may_use(bot: Harness) -> None:
    staff, artists = bot.guild.create_role("staff"), bot.guild.create_role("artists")
    art = bot.guild.add_member(bot.env.create_user("art"), roles=[artists])
    await set_rules(bot, deployment_roles={"video": [staff.id], "picture": [artists.id]})
    refused = await bot.ask(art, command="generate video")
    assert refusal(bot, refused).endswith("Restricted ones that you may use: picture.")
    assert not (await bot.ask(art, command="generate picture")).ephemeral
    bot.env.backend.remove_member_role(bot.guild.id, art.id, artists.id)
    assert refusal(bot, await bot.ask(art, command="generate picture")).endswith(
        "Ask a moderator which role you need."
    )


async def test_a_role_that_was_deleted_opens_nothing(bot: Harness) -> None:
    role = bot.guild.create_role("gone")
    await set_rules(bot, gpu_roles={"H100": [role.id]})
    bot.env.backend.delete_role(bot.guild.id, role.id)
    assert refusal(bot, await bot.ask(gpu="H100")).startswith("Your roles can't use H100.")


async def test_a_block_ends_when_it_was_to_end(bot: Harness, mona: MemberActor) -> None:
    message = await bot.made()
    await mona.slash(bot.channel, "block", user=bot.alice, reason="spam *x*", duration="day")
    for refused in (await bot.ask(), await bot.alice.click(message, label="Again")):
        assert refusal(bot, refused).endswith(": spam \\*x\\*")
    await bot.restart()
    assert refusal(bot, await bot.ask()).endswith(": spam \\*x\\*")
    bot.clock.move(days=1, seconds=1)
    assert not (await bot.ask()).ephemeral
    await mona.slash(bot.channel, "block", user=bot.alice, reason="again")
    bot.clock.move(days=400)
    assert refusal(bot, await bot.ask()).endswith("on this server: again")
    await mona.slash(bot.channel, "unblock", user=bot.alice)
    assert not (await bot.ask()).ephemeral


async def test_young_accounts_and_members_wait(bot: Harness) -> None:
    await set_rules(bot, people={"account_days": 30})
    assert "accounts older than 30 days" in refusal(bot, await bot.ask())
    assert not (await bot.ask(moderator(bot))).ephemeral
    await set_rules(bot, people={"member_days": 7})
    assert "7 days of membership" in refusal(bot, await bot.ask())
    bot.clock.move(days=8)
    assert not (await bot.ask()).ephemeral


# Discord's own permissions for the command


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_channels_override_holds_for_again(bot: Harness, allowed: bool) -> None:
    message = await bot.made()
    override(bot, {bot.channel: allowed})
    again = await bot.alice.click(message, label="Again")
    assert again.ephemeral is not allowed


async def test_an_administrator_stands_above_overrides(bot: Harness) -> None:
    role = bot.guild.create_role("admin", permissions=discord.Permissions(administrator=True))
    adam = bot.guild.add_member(bot.env.create_user("adam"), roles=[role])
    await bot.ask(adam)
    override(bot, {bot.guild.default_role: False})
    assert not (await adam.click(bot.messages()[0], label="Again")).ephemeral


# words


async def test_a_refused_word_is_told_without_it_and_noted_with_it(bot: Harness) -> None:
    message = await bot.made()
    await set_rules(bot, words={"blocked": ["fox"]})
    for refused in (await bot.ask(prompt="a F0\u200bx"), await bot.alice.click(message, label="Again")):
        told = refusal(bot, refused)
        assert told.startswith("`prompt` contains something that this server doesn't allow.")
        assert "fox" not in told.lower()
    negative = refusal(bot, await bot.ask(prompt="a hare", negative="fox"))
    assert negative.startswith("`negative`")
    assert len(bot.calls) == 1
    lines = [line for line in await audit_log(bot.app.store) if line.outcome == "words_refused"]
    assert [line.details["word"] for line in lines] == ["fox"] * 3
    name = (await bot.run()).deployment
    assert {(line.actor_id, line.deployment) for line in lines} == {(bot.alice.id, name)}


async def automod(bot: Harness, keyword: str) -> None:
    guild = bot.app.bot.get_guild(bot.guild.id)
    assert guild is not None
    await guild.create_automod_rule(
        name="No foxes",
        event_type=discord.AutoModRuleEventType.message_send,
        trigger=discord.AutoModTrigger(keyword_filter=[keyword]),
        actions=[discord.AutoModRuleAction()],
        enabled=True,
    )
    await bot.env.settle()


async def test_automod_holds_where_the_bot_may_read_it(bot: Harness) -> None:
    await automod(bot, "fox*")
    refused = await bot.ask(prompt="many foxes")
    assert refusal(bot, refused).startswith("`prompt` contains something")
    assert not (await bot.ask(prompt="a hare")).ephemeral
    line = next(line for line in await audit_log(bot.app.store) if line.outcome == "words_refused")
    assert line.details == {"rule": "No foxes", "word": "fox*", "option": "prompt"}


@pytest.mark.parametrize(("asked_for", "passes"), [(None, True), (True, False), (False, True)])
async def test_without_the_right_to_read_automod_it_holds_only_where_it_was_asked_for(
    bot: Harness, asked_for: bool | None, passes: bool
) -> None:
    await automod(bot, "fox")
    await set_rules(bot, words={"automod": asked_for})
    bot.env.inject_error("GET", "/guilds/*/auto-moderation/rules", status=403, code=50013, times=None)
    bot.app.bot.services.word_filter.cache.invalidate(bot.guild.id)
    answer = await bot.ask()
    assert answer.ephemeral is not passes
    if not passes:
        assert refusal(bot, answer).startswith("I can't read this server's AutoMod rules.")


async def test_rules_that_can_not_be_read_refuse_and_let_nothing_pass(bot: Harness) -> None:
    bot.env.inject_error("GET", "/guilds/*/auto-moderation/rules", status=500, times=None)
    told = refusal(bot, await bot.ask())
    assert told.startswith("I can't read this server's word rules right now")
    assert bot.calls == []
    (line,) = await audit_log(bot.app.store)
    assert (line.action, line.outcome) == ("refusal", "words_unavailable")
    assert (line.actor_id, line.guild_id) == (bot.alice.id, bot.guild.id)


# age


@pytest.mark.bot(deployments=ADULT)
async def test_an_age_restricted_deployment_runs_only_where_discord_marks_the_channel(bot: Harness) -> None:
    adult = bot.guild.create_text_channel("adult")
    await bot.env.settle()
    mark_adult(bot, adult)
    told = "This deployment runs only in channels that are marked as age-restricted."
    assert refusal(bot, await bot.ask()) == told
    assert not (await bot.ask(channel=adult)).ephemeral
    (message,) = bot.messages(adult)
    mark_adult(bot, adult, marked=False)
    bot.channel = adult
    refused = await press(bot, bot.alice, message, buttons_of(bot, message)["Again"])
    assert refusal(bot, refused) == told
    assert len(bot.calls) == 1
    lines = [line for line in await audit_log(bot.app.store) if line.action == "refusal"]
    assert [(line.actor_id, line.deployment, line.outcome) for line in lines] == [
        (bot.alice.id, "picture", "age_restricted")
    ] * 2


async def test_rules_survive_a_restart(bot: Harness) -> None:
    await set_rules(bot, words={"blocked": ["fox"]})
    await bot.restart()
    assert refusal(bot, await bot.ask()).startswith("`prompt` contains something")
