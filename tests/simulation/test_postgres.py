"""Run `engine/check_postgres.py`, which checks PostgreSQL in virtual time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]


def test_postgres_in_virtual_time() -> None:
    """Run all checks in another process, because the simulation replaces clocks and randomness."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.engine.check_postgres"],
        cwd=_PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.endswith(": passed")] == []
    assert done.returncode == 0, done.stderr
    assert lines
