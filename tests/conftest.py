"""Settings that apply to every test."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

from tests.sql_cache import share_compiled_statements

_HERE = Path(__file__).parent
_PROCESSES = ("e2e", "demo", "commits")
_LONGEST_FIRST = (*_PROCESSES, "web", "contract")

# A deadline for each example would measure the machine, and a busy one would fail tests that are right.
settings.register_profile("fast", deadline=None, max_examples=25)
settings.register_profile("slow", deadline=None, max_examples=300)


def pytest_configure(config: pytest.Config) -> None:
    share_compiled_statements()
    settings.load_profile("slow" if config.option.markexpr == "slow" else "fast")


@pytest.hookimpl(optionalhook=True)  # `make mutants` runs without xdist
def pytest_xdist_auto_num_workers() -> int:
    """Start three workers for every two cores: a third of them begins with the tests that mostly wait."""
    cores = os.cpu_count() or 1
    return cores + (cores + 1) // 2


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let the slow suite run the property tests too, with more examples."""
    slow = item.config.option.markexpr == "slow"
    if slow and isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
        item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)  # when those of the other suite are deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the tests out to the workers, long ones first."""
    items.sort(key=_rank)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = [item for share in shares(items, workers) for item in share]


def shares(items: list[pytest.Item], workers: int) -> list[list[pytest.Item]]:
    """Return the tests of each worker; xdist first gives each one an equal run of neighbours.

    A third of the workers get all tests of whole processes, which mostly wait, so that the others can compute
    meanwhile. Then they get the shortest tests, because idle workers can take those over one by one.
    """
    waiting = [item for item in items if _folder(item) in _PROCESSES]
    computing = [item for item in items if _folder(item) not in _PROCESSES]
    waiters, size = workers // 3, len(items) // workers
    short = waiters * size - len(waiting)
    if not waiters or short < 0:
        return _dealt(items, workers)
    both = waiting + computing[len(computing) - short :]
    rest = computing[: len(computing) - short]
    return _dealt(both, waiters) + _dealt(rest, workers - waiters)


def _dealt(items: list[pytest.Item], hands: int) -> list[list[pytest.Item]]:
    return [items[first::hands] for first in range(hands)]


def _rank(item: pytest.Item) -> int:
    folder = _folder(item)
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(_HERE).parts[0]


def pytest_collection_finish() -> None:
    """Keep modules, tests and fixtures out of garbage collection, which saves a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
