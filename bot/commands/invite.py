"""The link that invites the bot, with exactly the permissions that showing a result takes."""

from __future__ import annotations

from urllib.parse import urlencode

import discord

from bot.preflight import NEEDED_PERMISSIONS

_AUTHORIZE = "https://discord.com/oauth2/authorize"
_SERVER, _PERSON = 0, 1  # Discord's integration types


def invite_permissions() -> discord.Permissions:
    """What the bot asks for: the permissions whose lack makes it refuse, and no other."""
    return discord.Permissions(**dict.fromkeys(NEEDED_PERMISSIONS, True))


def invite_url(application_id: int) -> str:
    """Adds the bot to a server."""
    return _link(
        client_id=application_id,
        scope="bot applications.commands",
        integration_type=_SERVER,
        permissions=invite_permissions().value,
    )


def install_url(application_id: int) -> str:
    """Adds the commands to a person's own account; for it Discord knows no permissions."""
    return _link(client_id=application_id, scope="applications.commands", integration_type=_PERSON)


def _link(**query: str | int) -> str:
    return f"{_AUTHORIZE}?{urlencode(query)}"
