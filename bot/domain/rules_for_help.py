"""The rules that `/help` explains to a member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.budgets import Usage
from bot.domain.presets import Preset
from bot.domain.requests import Member
from bot.domain.settings.rules_and_defaults import ServerRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A member, a server's rules, and what is offered: the names of all deployments, of the age-restricted
    ones, and of the GPUs to choose from.

    `default_has_gap` means that a typed prompt becomes part of the channel default's prompt.
    """

    person: Member
    usage: Usage
    rules: ServerRules
    deployments: Sequence[str] = ()
    age_restricted: Sequence[str] = ()
    gpus: Sequence[str] = ()
    in_server: bool
    age_restricted_channel: bool = False
    channel_default: Preset | None = None
    default_has_gap: bool = False
