"""AutoMod rules of a server, which the bot reads through Discord's API and follows through its events."""

from __future__ import annotations

from typing import Any

import discord
import pytest
import simcord

from bot.domain.settings.kinds import NotApplied
from tests.discord.actors import member
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import refusal, requests_to
from tests.harness import Harness

RULES = "/guilds/*/auto-moderation/rules"
REFUSED = "Your **prompt** has a word that this server blocks."


async def add_rule(bot: Harness, *keywords: str, **more: Any) -> discord.AutoModRule:
    guild = bot.app.bot.get_guild(bot.guild.id)
    assert guild is not None
    rule = await guild.create_automod_rule(
        name="No foxes",
        event_type=discord.AutoModRuleEventType.message_send,
        trigger=more.pop("trigger", discord.AutoModTrigger(keyword_filter=list(keywords))),
        actions=[discord.AutoModRuleAction()],
        enabled=True,
        **more,
    )
    await bot.env.settle()
    return rule


async def passes(bot: Harness, prompt: str, actor: Any = None, channel: Any = None) -> bool:
    """Send a request; return whether it was accepted."""
    answer = await bot.ask(actor, prompt=prompt, channel=channel)
    assert not answer.ephemeral or refusal(bot, answer).startswith(REFUSED)
    return not answer.ephemeral


def thread_in(bot: Harness, parent: simcord.ChannelHandle) -> simcord.ChannelHandle:
    made = bot.env.backend.create_thread(parent.id, "a thread", bot.alice.id, broadcast=False)
    bot.env.backend.announce_thread_create(made)
    return simcord.ChannelHandle(bot.env, bot.guild, made)


async def test_the_servers_rules_are_applied_and_read_once(bot: Harness) -> None:
    trigger = discord.AutoModTrigger(keyword_filter=["fox*"], regex_patterns=["b[ai]t"])
    await add_rule(bot, trigger=trigger)
    asked = ("a f\u200boxes", "a bat", "a firefox")
    assert [await passes(bot, prompt) for prompt in asked] == [False, False, True]
    assert len(requests_to(bot, "GET", "/auto-moderation/rules")) == 1
    line = next(line for line in await bot.audit() if line.outcome == "words_refused")
    assert line.details == {"rule": "No foxes", "word": "fox*", "option": "prompt", "prompt": "a f\u200boxes"}


async def test_exempt_roles_and_channels_and_their_threads_are_left_alone(bot: Harness) -> None:
    role, free = bot.guild.create_role("artists"), bot.guild.create_text_channel("free")
    thread = thread_in(bot, free)
    await bot.env.settle()
    exempt: dict[str, Any] = {
        "exempt_roles": [discord.Object(role.id)],
        "exempt_channels": [discord.Object(free.id)],
    }
    await add_rule(bot, "fox", **exempt)
    assert not await passes(bot, "a fox")
    assert await passes(bot, "a fox", channel=free)
    assert await passes(bot, "a fox", channel=thread)
    assert await passes(bot, "a fox", member(bot, "art", role))


async def test_a_changed_rule_holds_from_the_next_request_on(bot: Harness) -> None:
    rule = await add_rule(bot, "fox")
    assert not await passes(bot, "a fox")
    await rule.edit(trigger=discord.AutoModTrigger(keyword_filter=["dog"]))
    await bot.env.settle()
    assert [await passes(bot, "a fox"), await passes(bot, "a dog")] == [True, False]
    await rule.delete()
    await bot.env.settle()
    assert await passes(bot, "a dog")


async def test_preset_words_are_reported_as_not_applied(bot: Harness) -> None:
    await add_rule(bot, trigger=discord.AutoModTrigger(presets=discord.AutoModPresets.all()))
    rules = await bot.app.bot.app.words.automod_rules(bot.guild.id)
    assert rules.not_applied == (NotApplied("automod_preset", "No foxes"),)


@pytest.mark.parametrize(("asked_for", "accepted"), [(None, True), (True, False), (False, True)])
async def test_unreadable_rules_hold_only_if_asked_for(
    bot: Harness, asked_for: bool | None, accepted: bool
) -> None:
    await add_rule(bot, "fox")
    await set_rules(bot, words={"automod": asked_for})
    bot.env.inject_error("GET", RULES, status=403, code=50013, times=None)
    bot.app.bot.app.words.invalidate(bot.guild.id)
    answer = await bot.ask()
    assert answer.ephemeral is not accepted
    assert accepted or refusal(bot, answer).startswith("I can't read this server's AutoMod rules.")


async def test_rules_that_can_not_be_read_refuse_and_let_nothing_pass(bot: Harness) -> None:
    bot.env.inject_error("GET", RULES, status=500, times=None)
    told = refusal(bot, await bot.ask())
    assert told.startswith("I can't read this server's word rules right now")
    assert bot.calls == []
    (line,) = await bot.audit()
    assert (line.action, line.outcome) == ("refusal", "words_unavailable")
    assert (line.actor_id, line.guild_id) == (bot.alice.id, bot.guild.id)
