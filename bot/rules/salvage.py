"""What can still be read of rules that were stored by another version or damaged. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from bot.rules import ServerRules


def salvage(stored: object) -> tuple[ServerRules, tuple[str, ...]]:
    """The readable rest, defaults for what is not, and where that was (`approval.hours`, or `.` for all)."""
    if not isinstance(stored, Mapping):
        return ServerRules(), (".",)
    kept: Any = deepcopy(dict(stored))
    lost: list[str] = []
    while True:
        try:
            return ServerRules.model_validate(kept), tuple(lost)
        except ValidationError as error:
            # The last first: taking one entry out of a list moves those behind it.
            for problem in reversed(error.errors(include_url=False)):
                place = [part for part in problem["loc"] if part != "[key]"]
                lost.append(".".join(str(part) for part in _without(kept, place)))


def _without(kept: Any, place: Sequence[int | str]) -> Sequence[int | str]:
    """Takes out what stands at the place, or the nearest thing around it; returns where that was."""
    around = kept
    path: list[int | str] = []
    for part in place[:-1]:
        inner = _inside(around, part)
        if not isinstance(inner, dict | list):
            return _drop(kept, around, [*path, part])
        around = inner
        path.append(part)
    return _drop(kept, around, [*path, place[-1]])


def _inside(around: Any, part: int | str) -> Any:
    if isinstance(around, list):
        return around[part] if isinstance(part, int) and part < len(around) else None
    return around.get(part, around.get(str(part)))


def _drop(kept: Any, around: Any, path: list[int | str]) -> list[int | str]:
    part = path[-1]
    if isinstance(around, list) and isinstance(part, int) and part < len(around):
        del around[part]
    elif isinstance(around, dict) and (part in around or str(part) in around):
        around.pop(part, around.pop(str(part), None))
    else:  # not where it was reported (a key, a set): its whole section goes
        kept.pop(path[0], None)
        return path[:1]
    return path
