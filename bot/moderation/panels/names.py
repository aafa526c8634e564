"""Roles, channels, deployments and GPUs in a text, what is gone told as gone. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bot.domain.settings_values import Surroundings
from bot.domain.text import quoted
from bot.strings import say


def roles(ids: Collection[int], around: Surroundings) -> list[str]:
    return [role(role_id, around) for role_id in sorted(ids)]


def deployments(chosen: Collection[str], around: Surroundings) -> list[str]:
    return [deployment(name, around) for name in ordered(chosen, around)]


def gpus(chosen: Collection[str], around: Surroundings) -> list[str]:
    return [gpu(name, around) for name in ordered(chosen, around)]


def ordered(chosen: Collection[str], around: Surroundings) -> list[str]:
    """In the order in which they are offered, what is gone at the end."""
    offered = {name: place for place, name in enumerate((*around.gpus, *around.deployments))}
    return sorted(chosen, key=lambda name: (offered.get(name, len(offered)), name))


def role(role_id: int, around: Surroundings) -> str:
    return f"<@&{role_id}>" if role_id in around.role_ids else say("settings_gone_role", id=role_id)


def channel(channel_id: int | None, around: Surroundings) -> str:
    if channel_id is None:
        return say("settings_none_chosen")
    there = channel_id in around.channel_ids
    return f"<#{channel_id}>" if there else say("settings_gone_channel", id=channel_id)


def deployment(name: str, around: Surroundings) -> str:
    title = around.deployments.get(name)
    return quoted(title, 40) if title is not None else say("settings_gone_other", name=quoted(name, 40))


def gpu(name: str, around: Surroundings) -> str:
    shown = quoted(name, 40)
    return shown if name in around.gpus else say("settings_gone_other", name=shown)


def counted(code: str, count: int) -> str:
    """`code` with `count`; a single one has its own sentence, `{code}_one`."""
    return say(f"{code}_one") if count == 1 else say(code, count=count)


def listed(entries: Iterable[str], most: int) -> str:
    """The first of them, and how many more there are."""
    shown = list(entries)
    if not shown:
        return say("settings_none_chosen")
    text = ", ".join(shown[:most])
    more = len(shown) - most
    return say("settings_and_more", text=text, count=more) if more > 0 else text
