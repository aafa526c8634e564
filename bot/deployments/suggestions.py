"""Autocomplete: the choices of an option that has too many of them to list."""

from __future__ import annotations

from bot.deployments.model import Deployment
from bot.deployments.options import CHOICES, option_choices
from bot.deployments.plan import GPU, OptionChoice


def suggest(deployment: Deployment, option: str, current: str) -> list[OptionChoice]:
    """Up to 25 choices: names that begin with what was typed, then names that hold it. None fit: none."""
    choices = _choices(deployment, option)
    typed = current.strip().casefold()
    names = [(choice.name.casefold(), choice) for choice in choices]
    begin = [choice for name, choice in names if name.startswith(typed)]
    hold = [choice for name, choice in names if typed in name and not name.startswith(typed)]
    return (begin + hold)[:CHOICES]


def _choices(deployment: Deployment, option: str) -> tuple[OptionChoice, ...]:
    if option == GPU:
        return tuple(OptionChoice(gpu, gpu) for gpu in deployment.gpus)
    found = (item for item in deployment.offered if item.option == option)
    item = next(found, None)
    return option_choices(item) if item else ()
