"""A server as discord.py remembers it (guilds intent): what the settings refer to. Nothing is fetched."""

from __future__ import annotations

import discord

from bot.domain.rules import ServerRules
from bot.domain.settings_values import ReviewPlace
from bot.preflight import lacks


class ServerFacts:
    """Reads off the guild at the moment it is asked."""

    def __init__(self, guild: discord.Guild) -> None:
        self._guild = guild

    @property
    def id(self) -> int:
        return self._guild.id

    @property
    def name(self) -> str:
        return self._guild.name

    @property
    def role_ids(self) -> frozenset[int]:
        """Without @everyone, whose id is the server's own."""
        return frozenset(role.id for role in self._guild.roles) - {self._guild.id}

    @property
    def channel_ids(self) -> frozenset[int]:
        """The channels that can be a review channel."""
        return frozenset(channel.id for channel in self._guild.text_channels)

    @property
    def manages_server(self) -> bool:
        """Whether the bot may read the server's AutoMod rules."""
        return self._guild.me.guild_permissions.manage_guild

    def role_name(self, role_id: int) -> str:
        role = self._guild.get_role(role_id)
        return role.name if role is not None else str(role_id)

    def review(self, rules: ServerRules) -> ReviewPlace | None:
        """The review channel, None where none is set or it is gone."""
        channel = self._guild.get_channel(rules.approval.review_channel_id or 0)
        if channel is None:
            return None
        granted = channel.permissions_for(self._guild.me)
        role = self._guild.get_role(rules.reviewer_role_id or 0)
        return ReviewPlace(
            # A card shows pictures and is found again after a crash, as a result is.
            missing=tuple(lacks(channel, granted)),
            reviewers_see=role is None or channel.permissions_for(role).view_channel,
        )
