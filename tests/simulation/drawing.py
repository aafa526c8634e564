"""Draw the steps of a round from a seed.

Each round may have a theme, which makes one kind of steps likelier and others rarer. Each kind of step has
its own random generator, so changing one kind leaves the steps of all others as they were.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from tests.simulation.people.requests import draw_request
from tests.simulation.steps import Draw, Step, choose

# Virtual seconds between two steps.
PAUSES = (0.0, 0.05, 0.3, 1.0, 2.0, 5.0)
# The kinds of actions, and the probability that a round without a special theme has one.
KINDS: Mapping[str, float] = MappingProxyType(
    {
        "discord": 0.45,
        "run": 0.6,
        "outage": 0.08,
        "database": 0.15,
        "kill": 0.35,
        "threads": 0.05,
        "clock": 0.05,
        "change": 0.4,
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
        "moment": 0.2,
        "leases": 0.0,
        "pictures": 0.03,
    }
)
# These kinds act on a request, so they come after the first one.
_AFTERWARDS = frozenset({"cancel", "press", "preset", "moderate", "forge", "late"})
# The least probability of a moderator's action in a round with a request that needs approval.
_APPROVAL = 0.85

# What a round is mostly about, with weights: a kind of steps, or everything.
_THEMES = {
    "": 5,
    "copies": 3,
    "ages": 4,
    "moment": 14,
    "forge": 2,
    "kill": 6,
    "pictures": 3,
}
# Actions of these kinds get rounds of their own, because other steps would disturb them.
_ALONE = {"leases": 3}
# The probability of the theme, and the factor for all other kinds.
_THEME, _OTHERS = 0.97, 0.25


def draw(seed: str) -> list[Step]:
    """Draw the steps of a round: up to four requests, other actions of people, and faults."""
    chance = random.Random(f"{seed}-theme")
    weights = _THEMES | _ALONE
    theme = chance.choices([*weights], [*weights.values()])[0]
    counts = (1, 2, 3, 3, 4) if not theme else (0,) if theme in _ALONE else (1, 2)
    steps = [_ask(random.Random(f"{seed}-ask-{number}")) for number in range(chance.choice(counts))]
    waits = any(step.arguments["where"] == "requests" for step in steps)
    for kind, usual in KINDS.items():
        others = 0.0 if theme in _ALONE else _OTHERS if theme else 1.0
        probability = _THEME if kind == theme else usual * others
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


def _ask(chance: random.Random) -> Step:
    step = Step(chance.choice(PAUSES), "ask", chance.randrange(10**6))
    draw_request(Draw(step))
    return step
