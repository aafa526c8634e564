"""The permissions that the invite link asks for."""

from __future__ import annotations

from bot.discord_api.channels import install_url, invite_permissions, invite_url, lacks


def test_the_link_asks_for_the_bot_its_commands_and_six_permissions() -> None:
    assert invite_url(4242) == (
        "https://discord.com/oauth2/authorize?client_id=4242&scope=bot+applications.commands"
        "&integration_type=0&permissions=274878024704"
    )
    assert lacks(object(), invite_permissions()) == []


def test_a_person_adds_only_the_commands() -> None:
    assert install_url(4242).endswith("?client_id=4242&scope=applications.commands&integration_type=1")
