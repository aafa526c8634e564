"""Permission overrides of commands, decided as Discord does."""

from __future__ import annotations

import pytest
from discord import AppCommandPermissionType

from bot.gateway.commands import is_permitted

Override = tuple[tuple[AppCommandPermissionType, int], bool]

GUILD, CHANNEL, PERSON, A, B = 100, 50, 7, 11, 12


def role(target: int, allowed: bool) -> Override:
    return (AppCommandPermissionType.role, target), allowed


def channel(target: int, allowed: bool) -> Override:
    return (AppCommandPermissionType.channel, target), allowed


def person(allowed: bool) -> Override:
    return (AppCommandPermissionType.user, PERSON), allowed


ROLES = frozenset({GUILD, A, B})  # discord.py counts @everyone among a member's roles
EVERYONE_NOT = role(GUILD, False)
NOWHERE = channel(GUILD - 1, False)


@pytest.mark.parametrize(
    ("command", "bot", "allowed"),
    [
        ([], [], True),
        ([EVERYONE_NOT], [], False),
        ([EVERYONE_NOT, role(A, True)], [], True),
        ([EVERYONE_NOT, role(99, True)], [], False),
        ([role(A, False)], [], False),
        ([role(A, False), role(B, True)], [], True),
        ([role(99, False)], [], True),
        ([person(False), role(A, True)], [], False),
        ([person(True), role(A, False), EVERYONE_NOT], [], True),
        ([channel(CHANNEL, False), person(True)], [], False),
        ([NOWHERE], [], False),
        ([NOWHERE, channel(CHANNEL, True)], [], True),
        ([NOWHERE, channel(CHANNEL, True), EVERYONE_NOT], [], False),
        # The command's own lines go before those of the whole bot.
        ([person(True)], [EVERYONE_NOT], True),
        ([role(A, True)], [person(False)], True),
        ([EVERYONE_NOT], [person(True)], False),
        ([channel(CHANNEL, True)], [NOWHERE], True),
        ([NOWHERE], [channel(CHANNEL, True)], False),
        ([person(True)], [NOWHERE], False),
    ],
)
def test_channel_then_person_then_roles_then_everyone(
    command: list[Override], bot: list[Override], allowed: bool
) -> None:
    for lines in (dict(command), dict(command[::-1])):
        assert is_permitted([lines, dict(bot)], GUILD, PERSON, ROLES, CHANNEL) is allowed
        if not bot:
            assert is_permitted([{}, lines], GUILD, PERSON, ROLES, CHANNEL) is allowed
