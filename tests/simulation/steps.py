"""A round as data: steps, each an action with arguments, that can be drawn, played, saved and shortened.

The modules of `people` and `trouble` register their actions here. An action has a function that draws its
arguments, which are JSON, and one that plays it. Arguments name things by their order, such as the second
request, so a step usually still works if an earlier one is left out. If it doesn't, it does nothing.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.story import Story

Arguments = Mapping[str, Any]
Draw = Callable[[random.Random], dict[str, Any]]
Choice = float | Sequence[Any] | Callable[[random.Random], Any]
Play = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Step:
    """An action with its arguments, played `after` virtual seconds after the previous step has ended."""

    after: float
    name: str
    arguments: Arguments = field(default_factory=dict)

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"+{self.after:g} {self.name}({given})"


@dataclass(frozen=True, slots=True)
class Action:
    """Something that people or faults do. `weight` is relative to other actions of the same kind."""

    name: str
    kind: str
    weight: float
    draw: Draw
    play: Play


ACTIONS: dict[str, Action] = {}


def action(
    kind: str, draw: Draw | None = None, *, weight: float = 1.0, **choices: Choice
) -> Callable[[Play], Play]:
    """Register the decorated function, which gets the story and the drawn arguments, under its name.

    Each argument is drawn from its sequence of choices, by calling its function or, for a number, as a bool
    that is true with this probability.
    """

    def register(play: Play) -> Play:
        name = play.__name__
        drawn = draw or (lambda chance: {each: _drawn(chance, choice) for each, choice in choices.items()})
        ACTIONS[name] = Action(name, kind, weight, drawn, play)
        return play

    return register


def _drawn(chance: random.Random, choice: Choice) -> Any:
    if isinstance(choice, float):
        return chance.random() < choice
    return choice(chance) if callable(choice) else chance.choice(choice)


def register_all() -> None:
    """Import every module that registers actions."""
    for package in ("people", "trouble"):
        name = f"tests.simulation.{package}"
        for module in pkgutil.iter_modules(importlib.import_module(name).__path__):
            importlib.import_module(f"{name}.{module.name}")


class Skip(Exception):
    """Raised to end a step early because something that it needs is missing. Its message is the reason."""


async def play(story: Story, step: Step) -> None:
    try:
        await ACTIONS[step.name].play(story, **step.arguments)
    except Skip as reason:
        story.skip(str(reason))


def save(steps: Iterable[Step], path: Path) -> None:
    entries = [{"after": s.after, "name": s.name, "arguments": dict(s.arguments)} for s in steps]
    path.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> list[Step]:
    return [Step(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


def choose(chance: random.Random, kind: str) -> Action:
    """Choose an action of a kind by its weight."""
    found = [each for each in ACTIONS.values() if each.kind == kind]
    return chance.choices(found, [each.weight for each in found])[0]


def shorten(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """Return a part of the steps that still fails, but no longer if any single step is left out.

    Large parts are left out first, as in delta debugging (Zeller and Hildebrandt, 2002).
    """
    kept = list(steps)
    size = max(1, len(kept) // 2)
    while True:
        smaller = _without_one_part(kept, size, fails)
        if smaller is not None:
            kept = smaller
        elif size == 1:
            return kept
        else:
            size //= 2


def _without_one_part(
    steps: Sequence[Step], size: int, fails: Callable[[Sequence[Step]], bool]
) -> list[Step] | None:
    for start in range(0, len(steps), size):
        fewer = [*steps[:start], *steps[start + size :]]
        if fewer and fails(fewer):
            return fewer
    return None
