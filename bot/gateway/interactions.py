"""What the bot keeps of an interaction: who asks, from where, and how to answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import discord

from bot.domain.requests import Member, Origin, Requester
from bot.gateway.client import GenerateBot
from bot.gateway.permissions import check_permissions, lacks

Interaction = discord.Interaction[GenerateBot]
_TOKEN_LIFE = timedelta(minutes=15)
_DIRECT_LIMIT = 10 * 1024 * 1024


def requester_of(interaction: Interaction, now: datetime) -> Requester:
    """All of it comes with the interaction; nothing is fetched."""
    return Requester(
        person=member_of(interaction),
        origin=_origin(interaction, now),
        channel_ids=_channel_ids(interaction.channel),
        can_post=lambda channel_id: _can_post(interaction.guild, channel_id),
    )


def member_of(interaction: Interaction) -> Member:
    """The roles are those the interaction carries: the bot caches no members."""
    user = interaction.user
    member = user if isinstance(user, discord.Member) else None
    return Member(
        id=user.id,
        role_ids=frozenset(role.id for role in member.roles) if member else frozenset(),
        manages_server=member is not None and interaction.permissions.manage_guild,
        created_at=user.created_at,
        joined_at=member.joined_at if member else None,
    )


def check_here(interaction: Interaction) -> None:
    """Whether a result could be shown here. Raises RefusedError.

    Where only the interaction reaches, Discord asks the bot for no permissions of its own.
    """
    if not is_user_install_only(interaction):
        check_permissions(interaction.channel, interaction.app_permissions)


async def check_overrides(interaction: Interaction) -> None:
    """Discord's own permissions for `/generate`, for whatever else starts a run. Raises RefusedError.

    An administrator stands above them; direct messages have none, and a server without the bot has only
    its Use External Apps, which Discord sees to itself.
    """
    guild, channel = interaction.guild, interaction.channel
    if guild is None or interaction.permissions.administrator or is_user_install_only(interaction):
        return
    place = channel.parent_id if isinstance(channel, discord.Thread) else interaction.channel_id
    person = member_of(interaction)
    await interaction.client.overrides.check(guild, person.id, person.role_ids, place or 0)


def _origin(interaction: Interaction, now: datetime) -> Origin:
    """The token's life is counted from `now` by our own clock, which need not agree with Discord's.

    The upload limit is the server's: `interaction.filesize_limit` adds the requester's Nitro, and holds only
    for answers to the interaction, which are all there is where the bot itself isn't.
    """
    guild = interaction.guild
    visiting = is_user_install_only(interaction)
    limit = guild.filesize_limit if guild is not None else _DIRECT_LIMIT
    return Origin(
        guild_id=rules_guild_id(interaction),
        channel_id=interaction.channel_id or 0,
        application_id=interaction.application_id,
        interaction_id=interaction.id,
        interaction_token=interaction.token,
        interaction_expires_at=now + _TOKEN_LIFE,
        age_restricted=_is_age_restricted(interaction.channel),
        upload_limit=interaction.filesize_limit if visiting else limit,
        user_install=visiting,
    )


def rules_guild_id(interaction: Interaction) -> int | None:
    """The server whose rules hold here; none where the bot isn't on it."""
    return None if is_user_install_only(interaction) else interaction.guild_id


def _is_age_restricted(channel: object) -> bool:
    """A thread has its parent's mark; direct messages have none."""
    return isinstance(channel, discord.abc.GuildChannel | discord.Thread) and bool(
        getattr(channel, "is_nsfw", lambda: False)()
    )


def _channel_ids(channel: object) -> frozenset[int]:
    """Also the thread's parent and the category, which rules may name instead of the channel.

    Where the bot isn't, nothing is known of a thread's parent but its id.
    """
    parent = channel.parent if isinstance(channel, discord.Thread) else channel
    named = ((channel, "id"), (channel, "parent_id"), (parent, "category_id"))
    found = (getattr(place, name, None) for place, name in named)
    return frozenset(number for number in found if number)


def _can_post(guild: discord.Guild | None, channel_id: int) -> bool:
    channel = guild.get_channel(channel_id) if guild is not None else None
    if guild is None or channel is None or not isinstance(channel, discord.abc.Messageable):
        return False
    return not lacks(channel, channel.permissions_for(guild.me))


def member_from_user(user: discord.User | discord.Member) -> Member:
    """Read off what the interaction brings. Who has left, or was deleted, is an id and no more."""
    if not isinstance(user, discord.Member):
        return Member(id=user.id, created_at=user.created_at)
    return Member(
        id=user.id,
        role_ids=frozenset(role.id for role in user.roles),
        manages_server=user.guild_permissions.manage_guild,
        created_at=user.created_at,
        joined_at=user.joined_at,
    )


def is_user_install_only(interaction: discord.Interaction[Any]) -> bool:
    """Whether the bot itself isn't where the interaction comes from, so that nothing else reaches there.

    Group and private messages; and servers without the bot, whose people use it by their own installation.
    """
    if interaction.context.private_channel:
        return True
    guild_id = interaction.guild_id
    return guild_id is not None and interaction.client.get_guild(guild_id) is None
