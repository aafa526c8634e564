"""Check the bot's permissions in a channel, and build invite links that request them."""

from __future__ import annotations

from urllib.parse import urlencode

import discord

from bot.domain.policy import check_channel
from bot.domain.requests import ChannelState

_AUTHORIZE = "https://discord.com/oauth2/authorize"
_SERVER_INSTALL, _USER_INSTALL = 0, 1  # Discord's integration types


def invite_permissions() -> discord.Permissions:
    """Return exactly the permissions that the bot requires."""
    return discord.Permissions(**dict.fromkeys(NEEDED_PERMISSIONS, True))


def invite_url(application_id: int) -> str:
    """Return a link that adds the bot to a server."""
    return _link(
        client_id=application_id,
        scope="bot applications.commands",
        integration_type=_SERVER_INSTALL,
        permissions=invite_permissions().value,
    )


def install_url(application_id: int) -> str:
    """Return a link that adds the commands to a user's account, which needs no permissions."""
    return _link(client_id=application_id, scope="applications.commands", integration_type=_USER_INSTALL)


def _link(**query: str | int) -> str:
    return f"{_AUTHORIZE}?{urlencode(query)}"


# discord.py's names, and the names that server admins see in Discord.
_NEEDED = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
}
_IN_THREADS = {"send_messages_in_threads": "Send Messages in Threads"}
# All permissions to request in the invite, by discord.py's names.
NEEDED_PERMISSIONS = (*_NEEDED, *_IN_THREADS)


def check_permissions(channel: object, permissions: discord.Permissions) -> None:
    """Raise RefusedError, which names the missing permissions, if the bot can't post in the interaction's
    channel.

    `permissions` are the interaction's `app_permissions`, which Discord computes for that channel. Posting
    reopens an archived thread. A locked thread stays closed unless the bot can manage threads.
    """
    if not isinstance(channel, discord.DMChannel | discord.GroupChannel):
        check_channel(state_of(channel, permissions))


def state_of(
    channel: object, permissions: discord.Permissions, *, age_restricted: bool = False
) -> ChannelState:
    """Return the state of a server's channel in which the bot has these permissions."""
    return ChannelState(
        locked=isinstance(channel, discord.Thread) and channel.locked and not permissions.manage_threads,
        missing=tuple(lacks(channel, permissions)),
        age_restricted=age_restricted,
    )


def lacks(channel: object, permissions: discord.Permissions) -> list[str]:
    """Return the missing permissions for posting a result, by Discord's names."""
    needed = dict(_NEEDED)
    if isinstance(channel, discord.Thread):
        del needed["send_messages"]
        needed |= _IN_THREADS
    return [name for flag, name in needed.items() if not getattr(permissions, flag)]
