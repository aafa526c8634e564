"""The permissions that the invite link asks for."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import discord

from bot.discord_api.channels import install_url, invite_permissions, invite_url, lacks


def test_the_link_asks_for_the_bot_its_commands_and_six_permissions() -> None:
    link = urlsplit(invite_url(4242))
    assert (link.scheme, link.netloc, link.path) == ("https", "discord.com", "/oauth2/authorize")
    assert parse_qs(link.query) == {
        "client_id": ["4242"],
        "scope": ["bot applications.commands"],
        "integration_type": ["0"],
        "permissions": ["274878024704"],
    }
    granted = {name for name, given in discord.Permissions(274878024704) if given}
    assert granted == {
        *("read_messages", "send_messages", "send_messages_in_threads"),
        *("embed_links", "attach_files", "read_message_history"),
    }
    assert lacks(object(), invite_permissions()) == []


def test_a_person_adds_only_the_commands() -> None:
    asked = parse_qs(urlsplit(install_url(4242)).query)
    assert asked == {"client_id": ["4242"], "scope": ["applications.commands"], "integration_type": ["1"]}
