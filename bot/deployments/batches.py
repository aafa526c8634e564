"""Decide how many runs a request starts, and the inputs of each run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.deployments.merge import Merged, seed_of, seed_range
from bot.deployments.model import Deployment, Input, varies_in_batch
from bot.deployments.options import COUNT
from bot.deployments.plain_kinds import Values
from bot.domain.errors import InputError
from bot.domain.runs import InputValue
from bot.domain.text.numbers import typed_integer

# The number of runs that Vary starts, or fewer if the deployment now allows fewer.
VARY_COUNT = 4


def check_count(deployment: Deployment, value: Any) -> int:
    """Return the requested number of runs, by default 1. Raises InputError if the deployment forbids it."""
    count = typed_integer(value) if isinstance(value, str) else value
    if count is None and value in (None, ""):
        return 1
    if not isinstance(count, int) or not 1 <= count <= deployment.max_count:
        raise InputError("input_count", option=COUNT, maximum=deployment.max_count)
    return count


def batch_inputs(
    deployment: Deployment, merged: Merged, count: int, draw_seed: Callable[[Input], int]
) -> list[tuple[Values, int | None]]:
    """Return the inputs and seed of each run.

    Seeds that were drawn at random are drawn again for each further run. Other seeds are incremented.
    """
    batch: list[tuple[Values, int | None]] = [(merged.inputs, merged.seed)]
    for index in range(1, count):
        inputs: dict[str, InputValue] = dict(merged.inputs)
        for item in filter(varies_in_batch, deployment.inputs):
            value = inputs.get(item.key)
            if item.key in merged.drawn:
                inputs[item.key] = draw_seed(item)
            elif isinstance(value, int):
                inputs[item.key] = _incremented(item, value, index)
        batch.append((inputs, seed_of(deployment, inputs)))
    return batch


def _incremented(item: Input, seed: int, index: int) -> int:
    """Return `seed + index`. After the largest seed of the range, continue with the smallest."""
    low, high = seed_range(item)
    low, high = min(low, seed), max(high, seed)
    return low + (seed - low + index) % (high - low + 1)
