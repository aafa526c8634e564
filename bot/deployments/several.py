"""One request as several: the same inputs, each with a seed of its own. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum, auto

from bot.deployments.model import Deployment, Input
from bot.deployments.plan import COUNT
from bot.deployments.values import Collected, GivenValue, seed_of, seed_range
from bot.domain.errors import InputError
from bot.domain.runs import InputValue

# How many Vary makes. It stands on buttons out there: a deployment may take fewer since, never more.
VARIED = 4


class Repeat(Enum):
    """How many a repetition makes: one, as many as there were, or the few of Vary."""

    ONE = auto()
    ALL = auto()
    VARIED = auto()


def varies(item: Input) -> bool:
    """Whether each of several gets another value of this input.

    Without such an input all of them would be alike, as far as one can know: then `count` is offered only
    where deployments.toml asks for it, for workflows that draw by themselves.
    """
    return item.is_seed and item.offered and not item.choices


def check_count(deployment: Deployment, value: GivenValue | None) -> int:
    """How many, 1 where nothing was said. InputError otherwise."""
    if value is None:
        return 1
    if not isinstance(value, int) or not 1 <= value <= deployment.max_count:
        raise InputError("input_count", option=COUNT, maximum=deployment.max_count)
    return value


def repeated(deployment: Deployment, repeat: Repeat, before: int) -> int:
    """How many a repetition makes of what were `before`, as far as the deployment takes so many at once."""
    wanted = {Repeat.ONE: 1, Repeat.ALL: before, Repeat.VARIED: VARIED}[repeat]
    return min(wanted, deployment.max_count)


def spread(
    deployment: Deployment, wanted: Collected, count: int, draw_seed: Callable[[Input], int]
) -> list[tuple[Mapping[str, InputValue], int | None]]:
    """The inputs and the seed of each: a seed that was given counts on, one that was drawn is drawn anew."""
    found: list[tuple[Mapping[str, InputValue], int | None]] = [(wanted.inputs, wanted.seed)]
    for index in range(1, count):
        inputs = _other(deployment, wanted.inputs, wanted.drawn, index, draw_seed)
        found.append((inputs, seed_of(deployment, inputs)))
    return found


def _other(
    deployment: Deployment,
    first: Mapping[str, InputValue],
    drawn: Collection[str],
    index: int,
    draw_seed: Callable[[Input], int],
) -> dict[str, InputValue]:
    inputs = dict(first)
    for item in filter(varies, deployment.inputs):
        value = inputs.get(item.key)
        if item.key in drawn:
            inputs[item.key] = draw_seed(item)
        elif isinstance(value, int):
            inputs[item.key] = _counted_on(item, value, index)
    return inputs


def _counted_on(item: Input, seed: int, index: int) -> int:
    """Past the end of the input's range it goes on at the beginning."""
    low, high = seed_range(item)
    low, high = min(low, seed), max(high, seed)
    return low + (seed - low + index) % (high - low + 1)
