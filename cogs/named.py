"""Somebody whom an option names."""

from __future__ import annotations

import discord

from bot.domain.requests import Person


def named(user: discord.User | discord.Member) -> Person:
    """Read off what the interaction brings. Who has left, or was deleted, is an id and no more."""
    if not isinstance(user, discord.Member):
        return Person(id=user.id, created_at=user.created_at)
    return Person(
        id=user.id,
        role_ids=frozenset(role.id for role in user.roles),
        manages_server=user.guild_permissions.manage_guild,
        created_at=user.created_at,
        joined_at=user.joined_at,
    )
