"""Whether something could be shown in a place, judged before anything is spent."""

from __future__ import annotations

import discord

from bot.domain.errors import RefusedError

# Discord's own names for them, as a server admin finds them in the channel's settings.
_NEEDED = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
}
_IN_THREADS = {"send_messages_in_threads": "Send Messages in Threads"}
# What the bot has to be invited with, by discord.py's names.
NEEDED_PERMISSIONS = (*_NEEDED, *_IN_THREADS)


def check_place(channel: object, permissions: discord.Permissions) -> None:
    """Raises RefusedError naming the permissions that the bot lacks in the interaction's channel.

    `permissions` are the interaction's `app_permissions`: Discord computes them for this very channel.
    An archived thread wakes up by posting; a locked one does not, except for who may manage threads.
    """
    if isinstance(channel, discord.DMChannel | discord.GroupChannel):
        return
    if isinstance(channel, discord.Thread) and channel.locked and not permissions.manage_threads:
        raise RefusedError("thread_locked")
    missing = lacks(channel, permissions)
    if missing:
        raise RefusedError("missing_permissions", missing=", ".join(missing))


def lacks(channel: object, permissions: discord.Permissions) -> list[str]:
    """The permissions missing for posting a result, by Discord's own names."""
    needed = dict(_NEEDED)
    if isinstance(channel, discord.Thread):
        del needed["send_messages"]
        needed |= _IN_THREADS
    return [name for flag, name in needed.items() if not getattr(permissions, flag)]
