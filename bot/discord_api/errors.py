"""Tell Discord's answers from outages."""

from __future__ import annotations

import discord


def is_outage(error: discord.HTTPException) -> bool:
    """Return whether an error says nothing about what the call was for, such as a message or a channel.

    A 401 or 403 without one of Discord's codes concerns the whole bot: its token was reset, or Cloudflare
    blocks the address for a while.
    """
    if error.status in (401, 403):
        return error.code == 0
    return error.status in (408, 429) or error.status >= 500
