"""Read a server's roles, channels and permissions from discord.py's cache, which needs the guilds intent.

AutoMod rules aren't in that cache, so they are fetched from Discord.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import discord
from discord import AutoModRuleEventType, AutoModRuleTriggerType

from bot.discord_api.calls import is_outage
from bot.discord_api.channels import lacks
from bot.domain.errors import RefusedError
from bot.domain.settings.kinds import NotApplied, ReviewChannel, SettingsContext
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.words.cache import WordThread
from bot.words.rules import Steps, WordRule, WordRules


def settings_context(guild: discord.Guild) -> SettingsContext:
    """Return what the server's settings may name. Channels can be the review channel or the gallery."""
    return SettingsContext(
        server=guild.name,
        # Without @everyone, whose id equals the server's.
        role_ids=frozenset(role.id for role in guild.roles) - {guild.id},
        channel_ids=frozenset(channel.id for channel in guild.text_channels),
        manages_server=guild.me.guild_permissions.manage_guild,
    )


def with_channels(guild: discord.Guild, context: SettingsContext, rules: ServerRules) -> SettingsContext:
    """Add the state of the channels that the rules name, and leave out presets of missing channels."""
    there = {channel.id for channel in guild.channels}
    presets = {id: name for id, name in context.default_presets.items() if id in there}
    gallery = guild.get_channel(rules.gallery_channel_id or 0)
    lacking = lacks(gallery, gallery.permissions_for(guild.me)) if gallery is not None else ()
    channel, role = (
        guild.get_channel(rules.approval.review_channel_id or 0),
        guild.get_role(rules.reviewer_role_id or 0),
    )
    review: ReviewChannel | None = None
    if channel is not None:
        review = ReviewChannel(
            # Cards contain pictures and are searched for after a crash, so they need the same permissions as
            # a result.
            missing=tuple(lacks(channel, channel.permissions_for(guild.me))),
            reviewers_see=role is None or channel.permissions_for(role).view_channel,
            everybody_sees=channel.permissions_for(guild.default_role).view_channel,
        )
    return replace(context, review=review, gallery_lacks=tuple(lacking), default_presets=presets)


async def read_automod(client: discord.Client, guild_id: int, thread: WordThread) -> WordRules:
    """Fetch a server's AutoMod rules, and compile them in the thread.

    Raises RefusedError if the bot lacks the Manage Server permission, and discord.HTTPException if the call
    fails otherwise.
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
# The kinds of rules that can't be applied here. The others check no words, so nothing is lost by ignoring
# them.
_NOT_APPLIED = {_Kind.keyword_preset: "automod_preset", _Kind.spam: "automod_spam"}
_KNOWN = (_Kind.keyword, _Kind.mention_spam, _Kind.member_profile)


def compile_automod(rules: Sequence[discord.AutoModRule]) -> Steps[WordRules]:
    """Compile the enabled message rules. The result's `not_applied` lists the rules that can't be applied.

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
    not_applied = [
        NotApplied(_NOT_APPLIED.get(rule.trigger.type, "automod_unknown"), rule.name)
        for rule in active
        if rule.trigger.type not in _KNOWN
    ]
    return WordRules.compile(word_rules, not_applied=not_applied)
