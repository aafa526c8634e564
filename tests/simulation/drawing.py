"""Draw the steps of a round from a seed.

Each round has a theme, which makes some kinds of steps likelier and others rarer. Each kind of step has its
own random generator, so changing one kind leaves the steps of all others as they were.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from tests.simulation.steps import Step, choose

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
        "command": 0.25,
        "audit": 0.1,
        "block": 0.06,
        "settings": 0.12,
        "owner": 0.06,
        "forge": 0.2,
        "late": 0.1,
        "copies": 0.05,
        "ages": 0.03,
        "verdict": 0.05,
        "reports": 0.05,
        "intruder": 0.05,
        "away": 0.04,
        "delivery": 0.05,
        "deferral": 0.05,
        "words": 0.02,
        "usage": 0.1,
        "timing": 0.05,
        "durations": 0.0,
        "uploads": 0.0,
        "leases": 0.0,
        "windows": 0.0,
        "limits": 0.0,
        "panels": 0.0,
        "readers": 0.05,
        "checker": 0.05,
        "pictures": 0.03,
    }
)
# These kinds act on a request, so they come after the first one.
_AFTERWARDS = frozenset(
    {"cancel", "press", "preset", "moderate", "audit", "forge", "late", "copies", "reports", "intruder"}
)
# The least probability of a moderator's action in a round with a request that needs approval.
_APPROVAL = 0.85


@dataclass(frozen=True, slots=True)
class Theme:
    """The emphasis of a round.

    `kinds` replaces the usual probabilities of some kinds of steps, and `others` is a factor for all other
    kinds. `asks` has values for arguments of the requests, and `counts` the possible numbers of requests.
    """

    kinds: Mapping[str, float] = field(default_factory=dict)
    others: float = 0.4
    asks: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    counts: Sequence[int] = (1, 2)


_EVERYTHING = Theme(others=1.0, counts=(1, 2, 2, 3, 4))
THEMES: Mapping[str, tuple[float, Theme]] = MappingProxyType(
    {
        "everything": (5, _EVERYTHING),
        "copies": (
            3,
            Theme(
                {"copies": 0.97, "press": 0.3, "run": 0.2, "place": 0.1, "kill": 0.15},
                0.3,
                {"where": ("pictures", "pictures", "adult", "thread"), "deployment": ("picture", "several")},
            ),
        ),
        "ages": (
            4,
            Theme({"ages": 0.97, "run": 0.1, "kill": 0.1, "copies": 0.1}, 0.3, {"where": ("adult",)}),
        ),
        "verdicts": (3, Theme({"verdict": 0.97, "run": 0.1, "kill": 0.1}, 0.2)),
        "reports": (
            1,
            Theme(
                {"reports": 0.97, "moderate": 0.5}, 0.3, {"where": ("pictures",), "deployment": ("picture",)}
            ),
        ),
        "intruders": (
            2,
            Theme(
                {"intruder": 0.97, "forge": 0.7, "moderate": 0.4, "reports": 0.2},
                0.3,
                {"where": ("requests", "requests", "pictures")},
            ),
        ),
        "outages": (3, Theme({"away": 0.97, "words": 0.3, "discord": 0.2}, 0.2)),
        "timing": (4, Theme({"timing": 0.97, "run": 0.1, "kill": 0.1, "moderate": 0.2}, 0.2)),
        "deliveries": (3, Theme({"delivery": 0.97, "run": 0.1, "kill": 0.1, "discord": 0.1}, 0.2)),
        "deferrals": (
            3,
            Theme({"deferral": 0.97, "press": 0.3, "run": 0.1, "kill": 0.1}, 0.2, counts=(0, 1)),
        ),
        "kills": (1, Theme({"kill": 0.97, "discord": 0.5, "run": 0.5}, 0.4)),
        "words": (1, Theme({"words": 0.97, "usage": 0.3}, 0.2, {"where": ("pictures",)})),
        "durations": (2, Theme({"durations": 1.0}, 0.0, counts=(0,))),
        "uploads": (1, Theme({"uploads": 0.97}, 0.1, counts=(0, 1))),
        "leases": (3, Theme({"leases": 1.0}, 0.0, counts=(0,))),
        "windows": (5, Theme({"windows": 1.0}, 0.0, counts=(0,))),
        "pictures": (
            3,
            Theme({"pictures": 0.97, "checker": 0.3, "run": 0.1, "kill": 0.1}, 0.1, counts=(0, 1)),
        ),
        "readers": (4, Theme({"readers": 0.97}, 0.1, counts=(0,))),
        "panels": (3, Theme({"panels": 0.97}, 0.0, counts=(0,))),
        "limits": (3, Theme({"limits": 0.97}, 0.0, counts=(0,))),
        "usage": (1, Theme({"usage": 0.95, "command": 0.5, "settings": 0.4}, 0.4, counts=(3, 4))),
    }
)


def draw(seed: str) -> list[Step]:
    """Draw the steps of a round: up to four requests, other actions of people, and faults."""
    theme = theme_of(seed)
    steps = [_ask(theme, random.Random(f"{seed}-ask-{number}")) for number in range(_count(seed, theme))]
    for kind, usual in KINDS.items():
        probability = theme.kinds.get(kind, usual * theme.others)
        if kind in _AFTERWARDS and not any(step.name == "ask" for step in steps):
            continue
        if kind == "moderate" and any(step.arguments.get("where") == "requests" for step in steps):
            probability = max(probability, _APPROVAL)
        own = random.Random(f"{seed}-{kind}")
        while own.random() < probability:
            step = _step(own, kind)
            if kind == "cancel":
                # A run takes only a few seconds.
                step = replace(step, after=min(step.after, 1.0))
            steps.insert(_place(own, kind, steps), step)
            probability *= 0.6
    return steps


def _place(chance: random.Random, kind: str, steps: Sequence[Step]) -> int:
    """Return the index at which to insert a step. Faults may come before the first request."""
    place = chance.randrange(1 if kind in _AFTERWARDS else 0, len(steps) + 1)
    if kind == "cancel":
        return chance.choice([number for number, step in enumerate(steps, 1) if step.name == "ask"])
    return len(steps) if kind in ("press", "moderate", "audit") else place


def theme_of(seed: str) -> Theme:
    weights = [weight for weight, _ in THEMES.values()]
    chosen = random.Random(f"{seed}-theme").choices(list(THEMES), weights)[0]
    return THEMES[chosen][1]


def _count(seed: str, theme: Theme) -> int:
    return random.Random(f"{seed}-outline").choice(theme.counts)


def _ask(theme: Theme, chance: random.Random) -> Step:
    step = _step(chance, "ask")
    changed = {name: chance.choice(values) for name, values in theme.asks.items()}
    if not changed:
        return step
    arguments = {**step.arguments, **changed}
    if step.arguments["deployment"] != arguments["deployment"]:
        arguments.pop("options", None)
    if arguments["who"] == "stranger":
        arguments["who"] = "alice"
    return Step(step.after, step.name, arguments)


def _step(chance: random.Random, kind: str) -> Step:
    after = chance.choice(PAUSES)
    drawn = choose(chance, kind)
    return Step(after, drawn.name, drawn.draw(chance))
