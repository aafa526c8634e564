"""Whether a result could be shown in a place, read off the interaction before anything is spent."""

from __future__ import annotations

import discord

from bot.errors import RefusedError

# Discord's own names for them, as a server admin finds them in the channel's settings.
_NEEDED = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
}
_IN_THREADS = {"send_messages_in_threads": "Send Messages in Threads"}


def check_place(channel: object, permissions: discord.Permissions) -> None:
    """Raises RefusedError naming the permissions that the bot lacks in the interaction's channel.

    `permissions` are the interaction's `app_permissions`: Discord computes them for this very channel.
    An archived thread wakes up by posting; a locked one does not, except for who may manage threads.
    """
    needed = dict(_NEEDED)
    if isinstance(channel, discord.Thread):
        del needed["send_messages"]
        needed |= _IN_THREADS
        if channel.locked and not permissions.manage_threads:
            raise RefusedError("thread_locked")
    elif isinstance(channel, discord.DMChannel | discord.GroupChannel):
        return
    missing = [name for flag, name in needed.items() if not getattr(permissions, flag)]
    if missing:
        raise RefusedError("missing_permissions", missing=", ".join(missing))
