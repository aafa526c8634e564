"""Search for planted faults with the simulation: play rounds with each fault until one breaks a promise.

The promise must hold in the same round without the fault. Results are appended to a file, so an interrupted
command resumes where it stopped.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

KNOWN = Path("simulated-faults.jsonl")
_CHUNK = 50  # rounds that a process plays
_SEED = re.compile(r"^seed \S+-(\d+)$", re.MULTILINE)
_writing = Lock()


@dataclass(frozen=True, slots=True)
class Search:
    """A search in the rounds of a seed. `clean` is the tree without a fault."""

    clean: Path
    rounds: int
    seed: str
    database: str

    def look_for(self, fault: str, faulty: Path, database: str = "") -> tuple[bool, str]:
        """Return whether a round of the faulty tree breaks a promise, and a description of the result.

        `database` is the one that the fault needs, if any.
        """
        if database not in ("", self.database):
            return replace(self, database=database).look_for(fault, faulty)
        key = [fault, self.seed, self.database]
        known = [json.loads(line) for line in KNOWN.read_text().splitlines()] if KNOWN.exists() else []
        first, found, detail = 0, False, ""
        for *entry, first_unplayed, was_found, said in known:
            if entry == key:
                first, found, detail = first_unplayed, was_found, said
        while not found and first < self.rounds:
            last = min(self.rounds, first + _CHUNK)
            number, broken = self._play(faulty, first, last - first)
            if number is not None:
                kept = broken - self._play(self.clean, number, 1)[1]
                found, last = bool(kept), number + 1
                detail = f"found in round {number} with {self.database}: {', '.join(sorted(kept))}"
            first = last
            with _writing, KNOWN.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps([*key, first, found, detail]) + "\n")
        return found, detail if found else f"survived {first} rounds with {self.database}"

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
