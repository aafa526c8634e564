"""A deployment's options as a table for the terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bot.deployments.model import Deployment, Input
from bot.deployments.options import CommandSpec, OptionSpec
from bot.domain.text import shorten, visible

_HEAD = ("option", "type", "input", "needed", "takes", "default")
_WIDEST = 36


def options_table(deployment: Deployment, spec: CommandSpec) -> list[str]:
    """Its lines, with a head. Fixed inputs are left out: they are not offered, and may be secret."""
    inputs = {item.key: item for item in deployment.offered}
    rows = [_HEAD, *(_row(option, inputs.get(option.key or "")) for option in spec.options)]
    own = {option.key for option in spec.options}
    rows += [_apart(item) for item in deployment.offered if item.key not in own]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return [_line(row, widths) for row in rows]


def _row(option: OptionSpec, item: Input | None) -> tuple[str, ...]:
    return (
        option.name,
        option.type.value,
        option.key or "the bot's own",
        _yes(option.required),
        _short(_takes(option)),
        _default(item),
    )


def _apart(item: Input) -> tuple[str, ...]:
    """One for which there was no room among the options."""
    return (item.option, item.kind.value, item.key, _yes(item.required), "within 'more'", _default(item))


def _takes(option: OptionSpec) -> str:
    if option.choices:
        return ", ".join(choice.name for choice in option.choices)
    if option.autocomplete:
        return "suggestions"
    if option.max_length is not None:
        return f"up to {option.max_length} characters"
    low, high = option.minimum, option.maximum
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'{low:.15g}'}..{'' if high is None else f'{high:.15g}'}"


def _default(item: Input | None) -> str:
    return "" if item is None or item.default is None else _short(str(item.default))


def _short(text: str) -> str:
    return shorten(visible(text), _WIDEST)


def _yes(flag: bool) -> str:
    return "yes" if flag else ""


def _line(row: Iterable[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
