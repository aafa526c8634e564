"""Let the simulation look for planted faults: play rounds with each fault until one breaks a promise.

A round counts only if the promise holds in the same round without the fault. What is known is appended to a
file of JSON lines, so that an interrupted command resumes where it stopped.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock

# A process plays this many rounds, so an interrupted command repeats fewer.
CHUNK = 50
_SEED = re.compile(r"seed \S+-(\d+)")


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known about a fault: the rounds before `next` are played, and round `found` broke `promise`."""

    fault: str
    seed: str
    next: int = 0
    found: int | None = None
    promise: str = ""
    database: str = "sqlite"

    def __str__(self) -> str:
        if self.found is not None:
            return f"found in round {self.found} with {self.database}: {self.promise}"
        return f"survived {self.next} rounds with {self.database}"


class ProgressFile:
    """The newest progress of each fault, seed and database, in a file to which lines are appended."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self._path = path
        self._lock = Lock()
        self._known: dict[tuple[str, str, str], Progress] = {}
        if fresh:
            path.unlink(missing_ok=True)
        elif path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                entry = Progress(**json.loads(line))
                self._known[entry.fault, entry.seed, entry.database] = entry

    def get(self, fault: str, seed: str, database: str) -> Progress:
        return self._known.get((fault, seed, database), Progress(fault, seed, database=database))

    def put(self, entry: Progress) -> None:
        with self._lock, self._path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(entry)) + "\n")
            self._known[entry.fault, entry.seed, entry.database] = entry


@dataclass(frozen=True, slots=True)
class BrokenRound:
    """A round and the promises that it broke, without details. There are none if the simulation crashed."""

    number: int
    promises: tuple[str, ...]


def look_for(entry: Progress, faulty: Path, clean: Path, known: ProgressFile, rounds: int) -> Progress:
    """Play rounds of a tree with a fault until one is a find, or until `rounds` are played.

    `entry` is what is known so far, and `clean` is the same tree without the fault.
    """
    while entry.found is None and entry.next < rounds:
        end = min(rounds, entry.next + CHUNK)
        broken = play(faulty, entry, entry.next, end - entry.next)
        if broken is None:
            entry = replace(entry, next=end)
        else:
            found = _only_in(broken, clean, entry)
            entry = replace(entry, next=broken.number + 1)
            if found:
                entry = replace(entry, found=broken.number, promise=found)
        known.put(entry)
    return entry


def _only_in(broken: BrokenRound, clean: Path, entry: Progress) -> str:
    """Return the first promise that the round keeps in a clean tree, or an empty text."""
    without = play(clean, entry, broken.number, 1)
    also = without.promises if without is not None else ()
    return next((promise for promise in broken.promises if promise not in also), "")


def play(tree: Path, entry: Progress, first: int, rounds: int) -> BrokenRound | None:
    """Play rounds of the entry's seed in a tree; return the first that breaks a promise, or None."""
    command = [sys.executable, "-m", "tests.simulation", "--no-shorten"]
    command += [f"--seed={entry.seed}", f"--database={entry.database}"]
    finished = subprocess.run(  # noqa: S603
        [*command, f"--first={first}", f"--rounds={rounds}"],
        cwd=tree,
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if finished.returncode == 0:
        return None
    number, promises = None, []
    for line in _first_verdict(finished.stdout):
        if seeded := _SEED.fullmatch(line):
            number = int(seeded[1])
        elif line.startswith("  "):
            promises.append(promise_in(line.strip()))
    if number is None:
        raise ValueError(f"the simulation did not run: {finished.stderr.strip().splitlines()[-1:]}")
    return BrokenRound(number, tuple(dict.fromkeys(promises)))


def _first_verdict(output: str) -> Iterator[str]:
    """Yield the lines from the seed of the first broken round to its steps."""
    lines = iter(output.splitlines())
    for line in lines:
        if _SEED.fullmatch(line):
            yield line
            break
    for line in lines:
        if line == "steps:":
            return
        yield line


def promise_in(broken: str) -> str:
    """Return the name of a broken promise, without the step after which it was broken and without details."""
    _, found, rest = broken.partition("): ") if broken.startswith("after ") else ("", "", broken)
    return (rest if found else broken).partition(":")[0]
