"""Fetch a server's AutoMod rules from Discord."""

from __future__ import annotations

from collections.abc import Sequence

import discord
from discord import AutoModRuleEventType, AutoModRuleTriggerType

from bot.discord_api.calls import is_outage
from bot.domain.errors import RefusedError
from bot.words.cache import WordThread
from bot.words.rules import Steps, WordRule, WordRules


async def read_automod(client: discord.Client, guild_id: int, thread: WordThread) -> WordRules:
    """Fetch a server's AutoMod rules, and compile them in the thread.

    Raises RefusedError without the permission Manage Server, and discord.HTTPException.
    """
    guild = client.get_guild(guild_id) or await client.fetch_guild(guild_id)
    try:
        rules = await guild.fetch_automod_rules()
    except discord.Forbidden as error:
        if is_outage(error):
            raise
        raise RefusedError("words_forbidden") from None
    return await thread.run(guild_id, compile_automod(rules))


_Kind = AutoModRuleTriggerType
# Of the other kinds, only Discord knows the words.
_KNOWN = (_Kind.keyword, _Kind.mention_spam, _Kind.member_profile)


def compile_automod(rules: Sequence[discord.AutoModRule]) -> Steps[WordRules]:
    """Compile the enabled message rules. The result's `not_applied` names the rules that can't be applied.

    A rule that only alerts in Discord refuses a request here, since there is no message to show to
    moderators.
    """
    active = [rule for rule in rules if rule.enabled and rule.event_type is AutoModRuleEventType.message_send]
    word_rules = [
        WordRule(
            name=rule.name,
            keywords=tuple(rule.trigger.keyword_filter),
            patterns=tuple(rule.trigger.regex_patterns),
            allowed=tuple(rule.trigger.allow_list),
            exempt_roles=frozenset(rule.exempt_role_ids),
            exempt_channels=frozenset(rule.exempt_channel_ids),
        )
        for rule in active
        if rule.trigger.type is _Kind.keyword
    ]
    not_applied = [rule.name for rule in active if rule.trigger.type not in _KNOWN]
    return WordRules.compile(word_rules, not_applied=not_applied)
