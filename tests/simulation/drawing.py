"""Draw the steps of a round from a seed.

Each round has a theme, which makes some kinds of steps likelier and others rarer. Each kind of step has its
own random generator, so changing one kind leaves the steps of all others as they were.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tests.simulation.people.requests import draw_request
from tests.simulation.steps import Draw, Step, choose

# Virtual seconds between two steps.
PAUSES = (0.0, 0.05, 0.3, 1.0, 2.0, 5.0)
# The kinds of actions, and the probability that a round without a special theme has one.
KINDS: Mapping[str, float] = MappingProxyType(
    {
        "discord": 0.45,
        "run": 0.6,
        "comfydeploy": 0.1,
        "outage": 0.08,
        "database": 0.15,
        "kill": 0.35,
        "threads": 0.05,
        "clock": 0.05,
        "place": 0.2,
        "change": 0.25,
        "cancel": 0.25,
        "preset": 0.12,
        "moderate": 0.1,
        "press": 0.75,
        "command": 0.35,
        "block": 0.06,
        "settings": 0.12,
        "owner": 0.06,
        "forge": 0.2,
        "late": 0.1,
        "copies": 0.05,
        "ages": 0.03,
        "reports": 0.05,
        "intruder": 0.05,
        "moment": 0.2,
        "usage": 0.1,
        "leases": 0.0,
        "windows": 0.0,
        "limits": 0.0,
        "checker": 0.05,
        "pictures": 0.03,
    }
)
# These kinds act on a request, so they come after the first one.
_AFTERWARDS = frozenset({"cancel", "press", "preset", "moderate", "forge", "late"})
# The least probability of a moderator's action in a round with a request that needs approval.
_APPROVAL = 0.85


@dataclass(frozen=True, slots=True)
class Theme:
    """The emphasis of a round. `weight` is relative to other themes.

    `kinds` replaces the usual probabilities of some kinds of steps, and `others` is a factor for all other
    kinds. `asks` has values for arguments of the requests, and `counts` the possible numbers of requests.
    """

    weight: float
    kinds: Mapping[str, float] = field(default_factory=dict)
    others: float = 0.0
    asks: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    counts: Sequence[int] = (1, 2)


_SHAREABLE = {"where": ("pictures", "pictures", "adult", "thread"), "deployment": ("picture", "several")}
_FEW_FAULTS = {"run": 0.1, "kill": 0.2}
THEMES = (
    Theme(5, {}, 1.0, counts=(1, 2, 3, 3, 4)),
    Theme(3, {"copies": 0.97, "press": 0.3, "run": 0.2, "place": 0.1, "kill": 0.2}, 0.3, _SHAREABLE),
    Theme(4, {"ages": 0.97, "copies": 0.1, **_FEW_FAULTS}, 0.3, {"where": ("adult",)}),
    Theme(14, {"moment": 0.98, "moderate": 0.2, "discord": 0.1, **_FEW_FAULTS}, 0.2),
    Theme(3, {"reports": 0.97, "moderate": 0.4}, 0.3, {"where": ("pictures",), "deployment": ("picture",)}),
    Theme(2, {"intruder": 0.3, "forge": 0.97, "moderate": 0.4}, 0.3, {"where": ("requests", "pictures")}),
    Theme(6, {"kill": 0.97, "discord": 0.5, "run": 0.5}, 0.4),
    Theme(3, {"leases": 1.0}, counts=(0,)),
    Theme(2, {"windows": 1.0}, counts=(0,)),
    Theme(3, {"pictures": 0.97, "checker": 0.3, **_FEW_FAULTS}, 0.1, counts=(0, 1)),
    Theme(3, {"limits": 0.97}, counts=(0,)),
    Theme(1, {"usage": 0.95, "command": 0.5, "settings": 0.4}, 0.4, counts=(3, 4)),
)


def draw(seed: str) -> list[Step]:
    """Draw the steps of a round: up to four requests, other actions of people, and faults."""
    chance = random.Random(f"{seed}-theme")
    theme = chance.choices(THEMES, [theme.weight for theme in THEMES])[0]
    steps = [
        _ask(theme, random.Random(f"{seed}-ask-{number}")) for number in range(chance.choice(theme.counts))
    ]
    waits = any(step.arguments["where"] == "requests" for step in steps)
    for kind, usual in KINDS.items():
        probability = theme.kinds.get(kind, usual * theme.others)
        if kind in _AFTERWARDS and not steps:
            continue
        if kind == "moderate" and waits:
            probability = max(probability, _APPROVAL)
        own = random.Random(f"{seed}-{kind}")
        while own.random() < probability:
            # A run takes only a few seconds.
            pauses = PAUSES[:4] if kind == "cancel" else PAUSES
            step = Step(own.choice(pauses), choose(own, kind), own.randrange(10**6))
            steps.insert(_place(own, kind, steps), step)
            probability *= 0.6
    return steps


def _place(chance: random.Random, kind: str, steps: Sequence[Step]) -> int:
    """Return the index at which to insert a step. Faults may come before the first request."""
    if kind == "cancel":
        asks = [number for number, step in enumerate(steps, 1) if step.name == "ask"]
        return chance.choice(asks or [len(steps)])
    if kind in ("press", "moderate"):
        return len(steps)
    return chance.randrange(1 if kind in _AFTERWARDS else 0, len(steps) + 1)


def _ask(theme: Theme, chance: random.Random) -> Step:
    preset = {name: chance.choice(values) for name, values in theme.asks.items()}
    step = Step(chance.choice(PAUSES), "ask", chance.randrange(10**6), preset)
    draw_request(Draw(step))
    return step
