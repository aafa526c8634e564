"""Search for planted faults with the simulation: play rounds with each fault until one breaks a promise.

The promise must hold in the same round without the fault.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

_SEED = re.compile(r"^seed \S+-(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Search:
    """A search in the rounds of a seed. `clean` is the tree without a fault."""

    clean: Path
    rounds: int
    seed: str
    database: str

    def look_for(self, faulty: Path, database: str = "") -> tuple[bool, str]:
        """Return whether a round of the faulty tree breaks a promise, and a description of the result.

        `database` is the one that the fault needs, if any.
        """
        if database not in ("", self.database):
            return replace(self, database=database).look_for(faulty)
        number, broken = self._play(faulty, 0, self.rounds)
        while number is not None:
            if kept := broken - self._play(self.clean, number, 1)[1]:
                return True, f"found in round {number} with {self.database}: {', '.join(sorted(kept))}"
            number, broken = self._play(faulty, number + 1, self.rounds - number - 1)
        return False, f"survived {self.rounds} rounds with {self.database}"

    def _play(self, tree: Path, first: int, rounds: int) -> tuple[int | None, set[str]]:
        """Play rounds in a tree; return the number of the first that fails, or None, and its broken promises.

        There are no promises if the simulation crashed in that round.
        """
        command = [sys.executable, "-m", "tests.simulation", "--no-shorten"]
        command += [f"--seed={self.seed}", f"--database={self.database}"]
        finished = subprocess.run(  # noqa: S603
            [*command, f"--first={first}", f"--rounds={rounds}"],
            cwd=tree,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if finished.returncode == 0:
            return None, set()
        seed = _SEED.search(finished.stdout)
        if seed is None:
            raise ValueError(f"the simulation didn't run: {finished.stderr.strip().splitlines()[-1:]}")
        verdict = finished.stdout[seed.end() :].partition("\nsteps:\n")[0]
        return int(seed[1]), {
            promise_in(line.strip()) for line in verdict.splitlines() if line.startswith("  ")
        }


def promise_in(broken: str) -> str:
    """Return only the promise of a line about a broken one, which may begin with the step before it."""
    _, found, rest = broken.partition("): ") if broken.startswith("after ") else ("", "", broken)
    return (rest if found else broken).partition(":")[0]
