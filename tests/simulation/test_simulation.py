"""Play a sample of simulated rounds, and check the simulation itself.

Each test runs the simulation in another process, because it replaces clocks and randomness.
`make simulate SEED=1 ROUNDS=1000` plays as many rounds as you like.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.faults import ANSWER, POST
from tests.simulation.steps import Step, save

_PROJECT = Path(__file__).resolve().parents[2]
_SEED = "1"


def simulate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m tests.simulation`, without shortening failed rounds, which takes minutes."""
    return subprocess.run(  # noqa: S603  # our own module
        [sys.executable, "-m", "tests.simulation", "--no-shorten", "--save", str(folder), *arguments],
        cwd=_PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("database", "rounds"), [("sqlite", 12), ("postgres", 2)])
def test_rounds_keep_every_promise(tmp_path: Path, database: str, rounds: int) -> None:
    done = simulate(tmp_path, "--seed", _SEED, "--rounds", str(rounds), "--database", database)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert f"rounds={rounds} " in done.stdout
    assert " requests=0 " not in done.stdout


@pytest.mark.parametrize(
    ("database", "rounds"), [("sqlite", 2), pytest.param("postgres", 2, marks=pytest.mark.slow)]
)
def test_a_seed_replays_exactly(tmp_path: Path, database: str, rounds: int) -> None:
    arguments = ("--seed", "replay", "--rounds", str(rounds), "--database", database)
    first, second = (simulate(tmp_path, *arguments).stdout for _ in range(2))
    assert "digest=" in first
    assert first == second


def test_a_post_that_is_found_and_edited_is_found_again(tmp_path: Path) -> None:
    """The process dies after a post, and the next one after it has found and edited the message."""
    file = tmp_path / "steps.json"
    killed = {"moment": f"DELETE {ANSWER}", "nth": 1, "done": True, "back": 5.0, "asleep": 0.0}
    posted = {"who": "alice", "where": "pictures", "deployment": "several", "count": 2, "again": False}
    posted |= {"doubt": "none", "moment": POST, "nth": 1, "done": True, "when": 0, "release": 0.0}
    posted |= {"troubles": ["kill"], "seconds": 55.0, "asleep": 400.0}
    save([Step(0.3, "kill_at_a_moment", 1, killed), Step(1.0, "request_in_trouble", 1, posted)], file)
    done = simulate(tmp_path, "--replay", str(file))
    assert done.returncode == 0, done.stdout
    assert " requests=1 kills=2 " in done.stdout


@pytest.mark.slow
def test_a_post_that_outlives_its_lease_deletes_no_outcome(tmp_path: Path) -> None:
    """While a post outlives its lease, another process edits the outcome into the answer."""
    file = tmp_path / "steps.json"
    save([Step(1.0, "lease_runs_out", 1, {"who": "alice", "expires": False})], file)
    done = simulate(tmp_path, "--replay", str(file), "--database", "postgres")
    assert done.returncode == 0, done.stdout
    assert " requests=1 " in done.stdout
