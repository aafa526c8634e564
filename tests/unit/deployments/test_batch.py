"""Several runs of one request: seeds that count on or are drawn, and the option `count`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.comfydeploy.deployments import GPUS
from bot.deployments.choices import input_of
from bot.deployments.command_plan import plan_commands, plan_options
from bot.deployments.inputs import Input
from bot.deployments.merge import merge
from bot.deployments.model import Deployment
from bot.domain.backend import InputKind
from bot.domain.errors import InputErrors
from tests.unit.deployments.made import but, choice, compiled, config, deployment, node, offering

SEED = input_of(key="s", option="seed", kind=InputKind.INTEGER, is_seed=True)


def made(*inputs: Input, **more: Any) -> Deployment:
    return offering(*inputs, **{"gpus": GPUS, "max_count": 10, **more})


def seeds(offered: Deployment, count: int, **given: Any) -> list[Any]:
    numbers = iter(range(1000, 2000))
    found = merge(offered, [{**given, "count": count}], draw_seed=lambda _: next(numbers))
    return [seed for _, seed in found.runs]


def test_a_given_seed_counts_on_and_others_are_drawn() -> None:
    assert seeds(made(SEED), 4, seed=7) == [7, 8, 9, 10]
    assert seeds(made(SEED), 3, more="seed=5") == [5, 6, 7]
    assert seeds(made(SEED), 4) == [1000, 1001, 1002, 1003]
    assert seeds(made(SEED), 1, seed=7) == [7]
    # Past the end of the range it goes on at the beginning.
    assert seeds(made(but(SEED, minimum=0.0, maximum=5.0)), 4, seed=4) == [4, 5, 0, 1]


@given(low=st.integers(-50, 50), width=st.integers(0, 30), start=st.integers(0, 30), count=st.integers(1, 10))
def test_seeds_stay_within_the_inputs_range_and_differ_as_long_as_it_has_room(
    low: int, width: int, start: int, count: int
) -> None:
    first = low + min(start, width)
    item = but(SEED, minimum=float(low), maximum=float(low + width))
    found = seeds(made(item), count, seed=first)
    assert found[0] == first
    assert all(low <= seed <= low + width for seed in found)


def test_every_other_input_is_the_same_and_each_seed_counts_by_itself() -> None:
    prompt = input_of(key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True)
    offered = made(prompt, SEED, but(SEED, key="t", option="noise_seed"))
    drawn = iter((50, 60, 61))
    found = merge(offered, [{"prompt": "a fox", "seed": 3, "count": 3}], draw_seed=lambda _: next(drawn))
    expected = [{"p": "a fox", "s": seed, "t": drawn} for seed, drawn in ((3, 50), (4, 60), (5, 61))]
    assert [inputs for inputs, _ in found.runs] == expected


@pytest.mark.parametrize("value", [0, 11, -1, "x", 2.5])
def test_a_number_that_is_not_offered_is_told(value: Any) -> None:
    with pytest.raises(InputErrors) as refused:
        merge(made(SEED), [{"count": value}], draw_seed=lambda _: 1)
    (mistake,) = refused.value.errors
    assert mistake.params["option"] == "count"
    for offered, number in ((None, 1), ("", 1), (" ", 1), (4, 4), ("4", 4)):
        assert len(merge(made(SEED), [{"count": offered}], draw_seed=lambda _: 1).runs) == number


@pytest.mark.parametrize(
    ("item", "can"),
    [
        (SEED, True),
        (but(SEED, fixed=3), False),
        (but(SEED, hidden=True), False),
        (but(SEED, choices=(choice("1", "1"),)), False),
        (but(SEED, is_seed=False), False),
    ],
)
def test_only_a_seed_that_is_offered_varies(item: Input, can: bool) -> None:
    assert item.varies_in_batch is can


def test_count_is_offered_where_a_seed_varies_or_the_file_asks_for_it() -> None:
    nodes = (node("prompt", "Text"), node("seed", "NumberInt"))
    with_seed, without = deployment(*nodes), deployment(nodes[0])
    assert (with_seed.max_count, without.max_count) == (4, 1)
    assert compiled(config(max_count=10), None).max_count == 10
    names = {option.name: option for option in plan_options(with_seed)}
    count = names["count"]
    assert (count.item.minimum, count.item.maximum, count.required) == (1, 4, False)
    assert "count" not in {option.name for option in plan_options(without)}
    # An input of that name gives way.
    both = deployment(*nodes, node("count", "NumberInt"))
    assert {"count", "count_input"} <= {option.name for option in plan_options(both)}


def test_count_gives_way_if_the_command_is_too_large() -> None:
    item = input_of(key="p", option="prompt", kind=InputKind.TEXT, description="x" * 90)
    many = [made(item, SEED, name=f"{'n' * 28}{n}", group=f"g{n // 25}") for n in range(58)]
    plan = plan_commands(many)
    assert not any(option.name == "count" for spec in plan.commands for option in spec.options)
    few = plan_commands(many[:20])
    assert all(any(option.name == "count" for option in spec.options) for spec in few.commands)
