"""What the bot keeps of an interaction: where it came from and how to answer it."""

from __future__ import annotations

from datetime import datetime, timedelta

import discord

from bot.client import GenerateBot
from bot.request import Origin

_TOKEN_LIFE = timedelta(minutes=15)
_DIRECT_LIMIT = 10 * 1024 * 1024


def origin_of(interaction: discord.Interaction[GenerateBot], now: datetime) -> Origin:
    """The token's life is counted from `now` by our own clock, which need not agree with Discord's.

    The upload limit is the server's: `interaction.filesize_limit` adds the requester's Nitro, and holds only
    for answers to the interaction.
    """
    guild = interaction.guild
    return Origin(
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or 0,
        application_id=interaction.application_id,
        interaction_token=interaction.token,
        interaction_expires_at=now + _TOKEN_LIFE,
        age_restricted=_is_age_restricted(interaction.channel),
        upload_limit=guild.filesize_limit if guild is not None else _DIRECT_LIMIT,
    )


def _is_age_restricted(channel: object) -> bool:
    """A thread has its parent's mark; direct messages have none."""
    return isinstance(channel, discord.abc.GuildChannel | discord.Thread) and bool(
        getattr(channel, "is_nsfw", lambda: False)()
    )
