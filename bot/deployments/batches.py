"""Decide how many runs a request starts, and the inputs of each run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum, auto

from bot.deployments.inputs import CollectedInputs, RawValue, seed_of, seed_range
from bot.deployments.model import Deployment, Input, varies_in_batch
from bot.deployments.options import COUNT
from bot.domain.errors import InputError
from bot.domain.runs import InputValue, Run

# The number of runs that Vary starts. Existing buttons show this number, so Vary never starts more; it starts
# fewer if the deployment now allows fewer.
VARY_COUNT = 4


class RepeatMode(Enum):
    """The number of runs that a repetition starts: one, as many as before, or `VARY_COUNT`."""

    ONE = auto()
    ALL = auto()
    VARIED = auto()


def check_count(deployment: Deployment, value: RawValue | None) -> int:
    """Return the requested number of runs, by default 1. Raises InputError if the deployment forbids it."""
    if value is None:
        return 1
    if not isinstance(value, int) or not 1 <= value <= deployment.max_count:
        raise InputError("input_count", option=COUNT, maximum=deployment.max_count)
    return value


def repeat_count(deployment: Deployment, repeat: RepeatMode, before: int) -> int:
    """Return how many runs to start when `before` runs are repeated, up to the deployment's limit."""
    count = {RepeatMode.ONE: 1, RepeatMode.ALL: before, RepeatMode.VARIED: VARY_COUNT}[repeat]
    return min(count, deployment.max_count)


def batch_inputs(
    deployment: Deployment, collected: CollectedInputs, count: int, draw_seed: Callable[[Input], int]
) -> list[tuple[Mapping[str, InputValue], int | None]]:
    """Return the inputs and seed of each run.

    Seeds that were drawn at random are drawn again for each further run. Other seeds are incremented.
    """
    batch: list[tuple[Mapping[str, InputValue], int | None]] = [(collected.inputs, collected.seed)]
    for index in range(1, count):
        inputs = _next_inputs(deployment, collected.inputs, collected.drawn, index, draw_seed)
        batch.append((inputs, seed_of(deployment, inputs)))
    return batch


def _next_inputs(
    deployment: Deployment,
    first: Mapping[str, InputValue],
    drawn: Collection[str],
    index: int,
    draw_seed: Callable[[Input], int],
) -> dict[str, InputValue]:
    inputs = dict(first)
    for item in filter(varies_in_batch, deployment.inputs):
        value = inputs.get(item.key)
        if item.key in drawn:
            inputs[item.key] = draw_seed(item)
        elif isinstance(value, int):
            inputs[item.key] = _incremented(item, value, index)
    return inputs


def repeatable_inputs(deployment: Deployment, batch: Sequence[Run]) -> dict[str, InputValue]:
    """Return the inputs with which a batch can be requested again.

    These are the first run's, without the seeds that were drawn for each run.
    """
    first = batch[0].inputs
    inputs = dict(first)
    for item in filter(varies_in_batch, deployment.inputs):
        value = first.get(item.key)
        if isinstance(value, int):
            counted = (_incremented(item, value, run.index) for run in batch)
            if any(run.inputs.get(item.key) != seed for run, seed in zip(batch, counted, strict=True)):
                del inputs[item.key]
    return inputs


def _incremented(item: Input, seed: int, index: int) -> int:
    """Return `seed + index`. After the largest seed of the range, continue with the smallest."""
    low, high = seed_range(item)
    low, high = min(low, seed), max(high, seed)
    return low + (seed - low + index) % (high - low + 1)
