"""The permissions that the invite link asks for, and those of commands, decided as Discord does."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import discord
import pytest
from discord import AppCommandPermissionType

from bot.gateway.permissions import (
    Override,
    Overrides,
    check_permissions,
    install_url,
    invite_permissions,
    invite_url,
    is_permitted,
)


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
    check_permissions(object(), invite_permissions())


def test_a_person_adds_only_the_commands() -> None:
    asked = parse_qs(urlsplit(install_url(4242)).query)
    assert asked == {"client_id": ["4242"], "scope": ["applications.commands"], "integration_type": ["1"]}


GUILD, CHANNEL, PERSON, A, B = 100, 50, 7, 11, 12


def role(target: int, allowed: bool) -> Override:
    return Override(AppCommandPermissionType.role, target, allowed)


def channel(target: int, allowed: bool) -> Override:
    return Override(AppCommandPermissionType.channel, target, allowed)


def person(allowed: bool) -> Override:
    return Override(AppCommandPermissionType.user, PERSON, allowed)


ROLES = frozenset({GUILD, A, B})  # discord.py counts @everyone among a member's roles
EVERYONE_NOT = role(GUILD, False)
NOWHERE = channel(GUILD - 1, False)


@pytest.mark.parametrize(
    ("overrides", "allowed"),
    [
        ([], True),
        ([EVERYONE_NOT], False),
        ([role(GUILD, True)], True),
        ([EVERYONE_NOT, role(A, True)], True),
        ([EVERYONE_NOT, role(99, True)], False),
        ([role(A, False)], False),
        ([role(A, False), role(B, True)], True),
        ([role(99, False)], True),
        ([person(False), role(A, True)], False),
        ([person(True), role(A, False), EVERYONE_NOT], True),
        ([channel(CHANNEL, False), person(True)], False),
        ([NOWHERE], False),
        ([NOWHERE, channel(CHANNEL, True)], True),
        ([NOWHERE, channel(51, True)], False),
        ([NOWHERE, channel(CHANNEL, True), EVERYONE_NOT], False),
    ],
)
def test_channel_then_person_then_roles_then_everyone(overrides: list[Override], allowed: bool) -> None:
    for lines in (tuple(overrides), tuple(overrides[::-1])):
        assert is_permitted(Overrides(command=lines), GUILD, PERSON, ROLES, CHANNEL) is allowed
        assert is_permitted(Overrides(bot=lines), GUILD, PERSON, ROLES, CHANNEL) is allowed


@pytest.mark.parametrize(
    ("command", "bot", "allowed"),
    [
        (person(True), EVERYONE_NOT, True),
        (role(A, True), person(False), True),
        (role(99, True), EVERYONE_NOT, False),
        (EVERYONE_NOT, person(True), False),
        (channel(CHANNEL, True), NOWHERE, True),
        (NOWHERE, channel(CHANNEL, True), False),
        (person(True), NOWHERE, False),
    ],
)
def test_the_commands_own_lines_go_before_the_whole_bots(
    command: Override, bot: Override, allowed: bool
) -> None:
    assert is_permitted(Overrides((command,), (bot,)), GUILD, PERSON, ROLES, CHANNEL) is allowed
