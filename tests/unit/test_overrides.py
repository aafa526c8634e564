"""Discord's permissions for a command, decided as Discord does."""

from __future__ import annotations

import pytest
from discord import AppCommandPermissionType

from bot.overrides import Override, permitted

GUILD, CHANNEL, PERSON, A, B = 100, 50, 7, 11, 12


def role(target: int, allowed: bool) -> Override:
    return Override(AppCommandPermissionType.role, target, allowed)


def channel(target: int, allowed: bool) -> Override:
    return Override(AppCommandPermissionType.channel, target, allowed)


def person(allowed: bool) -> Override:
    return Override(AppCommandPermissionType.user, PERSON, allowed)


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
    roles = frozenset({GUILD, A, B})  # discord.py counts @everyone among a member's roles
    assert permitted(overrides, GUILD, PERSON, roles, CHANNEL) is allowed
    assert permitted(overrides[::-1], GUILD, PERSON, roles, CHANNEL) is allowed
