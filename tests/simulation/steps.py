"""A round as data: steps, each an action with a seed, that can be drawn, played, saved and shortened.

The modules of `people` and `trouble` register their actions here. An action draws its arguments, which are
JSON, while it is played. Arguments name things by their order, such as the second request, so a step usually
still works if an earlier one is left out. If it doesn't, it does nothing.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.story import Story

Choice = float | Sequence[Any] | Mapping[Any, float] | Callable[[random.Random], Any]
Play = Callable[["Story", "Draw"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Step:
    """An action, played `after` virtual seconds after the previous step has ended.

    `seed` chooses the arguments that aren't given, and playing the step adds them.
    """

    after: float
    name: str
    seed: int = 0
    arguments: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"+{self.after:g} {self.name}({given})"


class Draw:
    """Chooses the arguments of a step by its seed, and adds them to the step."""

    def __init__(self, step: Step) -> None:
        self._chance = random.Random(f"{step.name}-{step.seed}")
        self._arguments = step.arguments

    def __call__(self, **choices: Choice) -> Any:
        """Return the value of an argument, or a list if there is more than one.

        A value is chosen from a sequence, by the weights of a mapping or by calling a function; a number is
        the probability of True. An argument that the step already has keeps its value.
        """
        for name, choice in choices.items():
            chosen = _chosen(self._chance, choice)
            self._arguments.setdefault(name, chosen)
        values = [self._arguments[name] for name in choices]
        return values[0] if len(values) == 1 else values


def _chosen(chance: random.Random, choice: Choice) -> Any:
    if isinstance(choice, Mapping):
        return chance.choices(list(choice), list(choice.values()))[0]
    if isinstance(choice, Sequence):
        return chance.choice(choice)
    return choice(chance) if callable(choice) else chance.random() < choice


def sample(values: Sequence[Any], *sizes: int) -> Choice:
    """Return a choice of different values, as many as one of `sizes`."""
    return lambda chance: chance.sample(values, chance.choice(sizes))


@dataclass(frozen=True, slots=True)
class Action:
    """Something that people or faults do. `weight` is relative to other actions of the same kind."""

    name: str
    kind: str
    weight: float
    play: Play


ACTIONS: dict[str, Action] = {}


def action(kind: str, weight: float = 1.0) -> Callable[[Play], Play]:
    """Register the decorated function under its name."""

    def register(play: Play) -> Play:
        name = play.__name__
        ACTIONS[name] = Action(name, kind, weight, play)
        return play

    return register


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
        await ACTIONS[step.name].play(story, Draw(step))
    except Skip as reason:
        story.skip(str(reason))


def save(steps: Iterable[Step], path: Path) -> None:
    path.write_text(json.dumps([*map(asdict, steps)], indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> list[Step]:
    return [Step(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


def choose(chance: random.Random, kind: str) -> str:
    """Choose an action of a kind by its weight, and return its name."""
    weights = {each.name: each.weight for each in ACTIONS.values() if each.kind == kind}
    return str(_chosen(chance, weights))


def shorten(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """Return the steps without those that aren't needed to fail."""
    kept = list(steps)
    for step in steps:
        fewer = [each for each in kept if each is not step]
        if fewer and fails(fewer):
            kept = fewer
    return kept
