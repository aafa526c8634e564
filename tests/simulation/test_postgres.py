"""The simulation's PostgreSQL keeps its promises; see `check_postgres.py`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).with_name("check_postgres.py")
NAMES = re.findall(r"^@check\nasync def (\w+)", CHECKS.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def results() -> dict[str, str]:
    """Run all checks in a process of their own, because the simulation replaces clocks and randomness."""
    command = [sys.executable, "-m", "tests.simulation.check_postgres"]
    done = subprocess.run(command, cwd=CHECKS.parents[2], capture_output=True, text=True, check=False)
    lines = [line.partition(": ") for line in done.stdout.splitlines()]
    return {name: result for name, _, result in lines} | {"errors": done.stderr}


@pytest.mark.parametrize("name", NAMES)
def test_postgres_in_virtual_time(results: dict[str, str], name: str) -> None:
    assert results.get(name) == "passed", results.get(name, results["errors"])
