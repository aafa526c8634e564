"""AutoMod rules of an (offline) Discord server, read through its API and followed through its events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import discord
import pytest
import simcord

from bot.domain.errors import RefusedError
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.settings.values import NotApplied
from bot.gateway.guild import read_automod
from bot.services.words.filter import AutomodCache, word_check
from bot.services.words.rules import Hit, WordRules


class Watcher(discord.Client):
    """Reads rules with discord.py and forgets them when Discord says that they changed."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True, auto_moderation_configuration=True))
        self.cache = AutomodCache(self.fetch, lambda: datetime.now(UTC))

    async def fetch(self, guild_id: int) -> WordRules:
        guild = self.get_guild(guild_id)
        assert guild is not None
        return await read_automod(guild, asyncio.to_thread)

    async def on_automod_rule_create(self, rule: discord.AutoModRule) -> None:
        self.cache.invalidate(rule.guild.id)

    on_automod_rule_update = on_automod_rule_create
    on_automod_rule_delete = on_automod_rule_create


@dataclass
class Server:
    env: simcord.Env
    bot: Watcher
    handle: simcord.GuildHandle

    @property
    def guild(self) -> discord.Guild:
        guild = self.bot.get_guild(self.handle.id)
        assert guild is not None
        return guild

    async def add_rule(self, *keywords: str, **more: Any) -> discord.AutoModRule:
        rule = await self.guild.create_automod_rule(
            name=more.pop("name", "No cats"),
            event_type=discord.AutoModRuleEventType.message_send,
            trigger=more.pop("trigger", discord.AutoModTrigger(keyword_filter=list(keywords))),
            actions=[discord.AutoModRuleAction()],
            enabled=True,
            **more,
        )
        await self.env.settle()
        return rule

    async def check(
        self, text: str, *, roles: Sequence[int] = (), channels: Sequence[int] = ()
    ) -> Hit | None:
        return await word_check(
            self.bot.cache,
            ServerRules(),
            self.handle.id,
            role_ids=roles,
            channel_ids=channels,
            texts={"prompt": text},
        )

    def reads(self) -> int:
        return sum(
            entry.method == "GET" and entry.path.endswith("/auto-moderation/rules")
            for entry in self.env.http_requests
        )


@pytest.fixture
def simcord_bot() -> Watcher:
    return Watcher()


@pytest.fixture
async def server(simcord_bot: Watcher, simcord_env: simcord.Env) -> Server:
    handle = simcord_env.create_guild("Studio")
    await simcord_env.settle()
    return Server(simcord_env, simcord_bot, handle)


async def test_the_servers_rules_are_applied_and_read_once(server: Server) -> None:
    await server.add_rule(
        "cat*", trigger=discord.AutoModTrigger(keyword_filter=["cat*"], regex_patterns=["b[ai]t"])
    )
    assert await server.check("a c\u200bats") == Hit("No cats", "prompt", "cat*")
    assert await server.check("a bat") == Hit("No cats", "prompt", "b[ai]t")
    assert await server.check("a wildcat") is None
    assert server.reads() == 1


async def test_exempt_roles_and_channels_and_their_threads_are_left_alone(server: Server) -> None:
    role = server.handle.create_role("artists")
    channel = server.handle.create_text_channel("free")
    alice = server.handle.add_member(server.env.create_user("alice"))
    made = server.env.backend.create_thread(channel.id, "a thread", alice.id, broadcast=False)
    server.env.backend.announce_thread_create(made)
    await server.env.settle()
    await server.add_rule(
        "cat", exempt_roles=[discord.Object(role.id)], exempt_channels=[discord.Object(channel.id)]
    )
    thread = server.guild.get_thread(made.id)
    assert thread is not None
    assert await server.check("a cat", channels=[thread.id]) is not None
    assert await server.check("a cat", channels=[thread.id, thread.parent_id]) is None
    assert await server.check("a cat", channels=[channel.id]) is None
    assert await server.check("a cat", roles=[role.id]) is None
    assert await server.check("a cat", roles=[1], channels=[2]) is not None


async def test_a_changed_rule_holds_from_the_next_request_on(server: Server) -> None:
    rule = await server.add_rule("cat")
    assert await server.check("a cat") is not None
    await rule.edit(trigger=discord.AutoModTrigger(keyword_filter=["dog"]))
    await server.env.settle()
    assert await server.check("a cat") is None
    assert await server.check("a dog") is not None
    await rule.delete()
    await server.env.settle()
    assert await server.check("a dog") is None


async def test_preset_words_are_reported_as_not_applied(server: Server) -> None:
    presets = discord.AutoModTrigger(presets=discord.AutoModPresets.all())
    await server.add_rule(name="Flagged words", trigger=presets)
    rules = await server.bot.cache.automod_rules(server.handle.id)
    assert rules.not_applied == (NotApplied("automod_preset", "Flagged words"),)


async def test_without_manage_server_the_request_is_refused(server: Server) -> None:
    await server.add_rule("cat")
    server.bot.cache.invalidate(server.handle.id)
    for role in server.guild.me.roles:
        server.env.backend.edit_role(server.handle.id, role.id, {"permissions": 0})
    await server.env.settle()
    with pytest.raises(RefusedError) as refused:
        await server.check("a fox")
    assert refused.value.code == "words_forbidden"
