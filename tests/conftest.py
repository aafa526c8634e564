"""Settings that apply to every test."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

from tests.sql_cache import share_compiled_statements

_HERE = Path(__file__).parent
_LONGEST_FIRST = ("e2e", "demo", "web", "contract")

# A deadline for each example would measure the machine, and a busy one would fail tests that are right.
settings.register_profile("fast", deadline=None, max_examples=25)
settings.register_profile("slow", deadline=None, max_examples=300)


def pytest_configure(config: pytest.Config) -> None:
    os.environ["TZ"] = "IST-5:30"  # India's, because a day of the bot is one of UTC wherever it runs
    time.tzset()
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
    """Begin with the tests of whole processes, then with the longest.

    xdist first gives each worker an equal run of neighbours. So the first workers mostly wait for processes
    while the others compute, and idle workers take over the shortest tests.
    """
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    folder = item.path.relative_to(_HERE).parts[0]
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)


def pytest_collection_finish() -> None:
    """Keep modules, tests and fixtures out of garbage collection, which saves a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
