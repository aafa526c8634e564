"""The second driver: Hypothesis chooses what happens, and shortens what fails."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.simulation.drawing import MOST_REQUESTS, PAUSES
from tests.simulation.rounds import Result
from tests.simulation.steps import ACTIONS, Action, Step

Play = Callable[[str, Sequence[Step]], Result]
_STEPS = 14
_CHANCES = st.randoms(use_true_random=False)


class Broken(AssertionError):
    """A round broke a promise."""

    def __init__(self, result: Result) -> None:
        super().__init__("\n".join(result.broken))
        self.result = result


def explore(play: Play, rounds: int, first_seed: int) -> Result | None:
    """Play rounds that Hypothesis draws. Return the shortest one that fails, or None."""

    class Rounds(_Rounds):
        def teardown(self) -> None:
            result = play(f"hypothesis-{first_seed}", self.steps)
            if result.broken:
                raise Broken(result)

    for action in ACTIONS.values():
        setattr(Rounds, f"happen_{action.name}", _rule_of(action))
    chosen = settings(
        max_examples=rounds,
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(first_seed)(Rounds), settings=chosen)
    except Broken as broken:
        return broken.result
    return None


class _Rounds(RuleBasedStateMachine):
    """Collects the steps of a round, which begins with a request. They are played at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []

    @initialize(chance=_CHANCES)
    def begin(self, chance: random.Random) -> None:
        self.steps.append(Step(0.0, "ask", ACTIONS["ask"].draw(chance)))

    @property
    def requests(self) -> int:
        return sum(ACTIONS[step.name].kind == "ask" for step in self.steps)


def _rule_of(action: Action) -> Any:
    def happen(self: _Rounds, after: float, chance: random.Random) -> None:
        self.steps.append(Step(after, action.name, action.draw(chance)))

    made = rule(after=st.sampled_from(PAUSES), chance=_CHANCES)(happen)
    if action.kind == "ask":
        return precondition(lambda self: self.requests < MOST_REQUESTS)(made)
    return made
