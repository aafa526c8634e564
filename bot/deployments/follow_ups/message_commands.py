"""Choose the follow-ups that also become message commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.deployments.model import Deployment, FollowUp
from bot.strings import say

# discord.py takes five message commands per scope, and "Use as input" is one of them.
MAX_COMMANDS = 4


@dataclass(frozen=True, slots=True)
class MessageCommands:
    """The follow-ups that become message commands. `left_out` names the others, as phrases for a sentence."""

    offered: tuple[FollowUp, ...] = ()
    left_out: tuple[str, ...] = ()


def message_commands(deployments: Sequence[Deployment]) -> MessageCommands:
    """Return the first MAX_COMMANDS follow-ups that take a picture, in the order of the file.

    A follow-up that several deployments share is a single command. A follow-up whose label is the name of
    another command is left out.
    """
    offered: dict[str, FollowUp] = {}
    left_out: list[str] = []
    for deployment in deployments:
        for each in deployment.follow_ups:
            name = each.label.casefold()
            if not each.takes_pictures or each.reference == _reference(offered.get(name)):
                continue
            if name in offered or name == say("use_menu").casefold():
                left_out.append(f"'{each.label}' of '{deployment.name}', whose name is taken")
            elif len(offered) == MAX_COMMANDS:
                left_out.append(f"'{each.label}' of '{deployment.name}'")
            else:
                offered[name] = each
    return MessageCommands(tuple(offered.values()), tuple(left_out))


def _reference(follow_up: FollowUp | None) -> object:
    return follow_up.reference if follow_up is not None else None
