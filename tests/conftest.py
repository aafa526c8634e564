"""Settings that apply to every test."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

from tests.sql_cache import share_compiled_statements

_HERE = Path(__file__).parent
_LONGEST_FIRST = ("e2e", "demo", "commits", "discord", "web", "contract")

# A deadline for each example would measure the machine, and a busy one would fail tests that are right.
settings.register_profile("fast", deadline=None, max_examples=25)
settings.register_profile("slow", deadline=None, max_examples=300)


def pytest_configure(config: pytest.Config) -> None:
    share_compiled_statements()
    settings.load_profile("slow" if config.option.markexpr == "slow" else "fast")


@pytest.hookimpl(optionalhook=True)  # `make mutants` runs without xdist
def pytest_xdist_auto_num_workers() -> int:
    """Start two workers for each core: the tests of whole processes spend half their time waiting."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each worker an equal part of every folder, long tests first.

    The slow suite runs the property tests, too, with more examples.
    """
    items.sort(key=_rank)
    # xdist first gives each worker a run of neighbours.
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = [item for first in range(workers) for item in items[first::workers]]
    if config.option.markexpr != "slow":
        return
    for item in items:
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            item.add_marker(pytest.mark.slow)


def _rank(item: pytest.Item) -> int:
    folder = item.path.relative_to(_HERE).parts[0]
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)


def pytest_collection_finish() -> None:
    """Keep modules, tests and fixtures out of garbage collection, which saves a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
