"""Read a server's roles, channels and permissions from discord.py's cache, which needs the guilds intent.

AutoMod rules aren't in that cache, so they are fetched from Discord.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


class GuildInfo:
    """A view of a discord.py guild that always shows its current state."""

    def __init__(self, guild: discord.Guild) -> None:
        self._guild = guild

    @property
    def role_ids(self) -> frozenset[int]:
        """Return the ids of all roles except @everyone, whose id equals the server's."""
        return frozenset(role.id for role in self._guild.roles) - {self._guild.id}

    @property
    def all_channel_ids(self) -> frozenset[int]:
        """Return the ids of channels of every kind, without threads."""
        return frozenset(channel.id for channel in self._guild.channels)

    def context(self) -> SettingsContext:
        """Return what the server's settings may name. Channels can be the review channel or the gallery."""
        return SettingsContext(
            server=self._guild.name,
            role_ids=self.role_ids,
            channel_ids=frozenset(channel.id for channel in self._guild.text_channels),
            manages_server=self._guild.me.guild_permissions.manage_guild,
        )

    def with_channels(self, context: SettingsContext, rules: ServerRules) -> SettingsContext:
        """Add the state of the channels that the rules name, and leave out presets of other channels."""
        gallery, there = self._guild.get_channel(rules.gallery_channel_id or 0), self.all_channel_ids
        lacking = lacks(gallery, gallery.permissions_for(self._guild.me)) if gallery is not None else ()
        presets = {id: name for id, name in context.default_presets.items() if id in there}
        return replace(
            context, review=self._review(rules), gallery_lacks=tuple(lacking), default_presets=presets
        )

    def _review(self, rules: ServerRules) -> ReviewChannel | None:
        """Return the review channel, or None if none is set or it is missing."""
        channel = self._guild.get_channel(rules.approval.review_channel_id or 0)
        if channel is None:
            return None
        role = self._guild.get_role(rules.reviewer_role_id or 0)
        return ReviewChannel(
            # Cards contain pictures and are searched for after a crash, so they need the same permissions as
            # a result.
            missing=tuple(lacks(channel, channel.permissions_for(self._guild.me))),
            reviewers_see=role is None or channel.permissions_for(role).view_channel,
            everybody_sees=channel.permissions_for(self._guild.default_role).view_channel,
        )


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


# These rules check no words, so nothing is lost by ignoring them.
_NOT_WORDS = (AutoModRuleTriggerType.mention_spam, AutoModRuleTriggerType.member_profile)


def compile_automod(rules: Sequence[discord.AutoModRule]) -> Steps[WordRules]:
    """Compile the enabled message rules. The result's `not_applied` lists the rules that can't be applied.

    A rule that only alerts in Discord refuses a request here, since there is no message to show to
    moderators.
    """
    active = [rule for rule in rules if rule.enabled and rule.event_type is AutoModRuleEventType.message_send]
    return WordRules.compile(_word_rules(active), not_applied=_not_applied(active))


def _word_rules(rules: Sequence[discord.AutoModRule]) -> Iterator[WordRule]:
    for rule in rules:
        if rule.trigger.type is AutoModRuleTriggerType.keyword:
            yield WordRule(
                name=rule.name,
                keywords=tuple(rule.trigger.keyword_filter),
                patterns=tuple(rule.trigger.regex_patterns),
                allowed=tuple(rule.trigger.allow_list),
                exempt_roles=frozenset(rule.exempt_role_ids),
                exempt_channels=frozenset(rule.exempt_channel_ids),
            )


def _not_applied(rules: Sequence[discord.AutoModRule]) -> Iterator[NotApplied]:
    for rule in rules:
        if rule.trigger.type is AutoModRuleTriggerType.keyword_preset:
            yield NotApplied("automod_preset", rule.name)
        elif rule.trigger.type is AutoModRuleTriggerType.spam:
            yield NotApplied("automod_spam", rule.name)
        elif rule.trigger.type not in (AutoModRuleTriggerType.keyword, *_NOT_WORDS):
            yield NotApplied("automod_unknown", rule.name)
