"""Plant known faults in copies of the code, one in each copy, and check that the tests catch them.

    python -m tools.planted_faults                    run the tests listed for each fault
    python -m tools.planted_faults -k lease --jobs 2  select faults by name, run two at a time
    python -m tools.planted_faults --simulate         search with the simulation

A planted fault is a mistake that a programmer might make. `tests/planted_faults.toml` lists them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LIST = ROOT / "tests" / "planted_faults.toml"
SECONDS = 900
OUTPUT = "planted-faults-output.txt"
_SEED = re.compile(r"^seed \S+-(\d+)$", re.MULTILINE)
FASTEST_FOLDER = Path("/dev/shm")  # noqa: S108  # Linux's RAM disk


class Verdict(StrEnum):
    """The result for one fault.

    BROKEN means that the fault could not be planted, or that the tests failed without a failed assertion or
    did not end in time.
    """

    CAUGHT = "caught"
    SURVIVED = "survived"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake to plant: `new` replaces `old` in `file`. At least one of `tests` must then fail.

    `database` is the one on which the simulation can find it; empty means either.
    """

    name: str
    area: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    database: str = ""

    def apply(self, root: Path) -> None:
        """Change the file under `root`. Raises ValueError unless `old` occurs exactly once."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"the text to replace occurs {count} times in {self.file}")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


def main() -> int:
    """Return 0 if every selected fault was caught, and otherwise 1."""
    given = arguments()
    chosen = [fault for fault in read_faults() if given.k.casefold() in fault.name.casefold()]
    parent = FASTEST_FOLDER if given.simulate and FASTEST_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="planted-faults-", dir=parent) as folder:
        clean = Path(folder) / "clean"
        copy_working_tree(ROOT, clean)
        search = Search(clean, given.rounds, given.seed, given.database) if given.simulate else None
        with ThreadPoolExecutor(max(1, given.jobs)) as pool:
            verdicts = Counter(pool.map(lambda fault: judge(clean, fault, search), chosen))
    tell(f"faults={len(chosen)} caught={verdicts[Verdict.CAUGHT]}")
    return 0 if verdicts[Verdict.CAUGHT] == len(chosen) > 0 else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-k", default="", metavar="NAME", help="only faults whose name contains this text")
    parser.add_argument("--jobs", type=int, default=1, help="the number of faults tested at the same time")
    simulation = parser.add_argument_group("the simulation")
    simulation.add_argument("--simulate", action="store_true", help="play simulated rounds instead of tests")
    simulation.add_argument("--rounds", type=int, default=1000, help="the most rounds for each fault")
    simulation.add_argument("--seed", default="1", help="the seed of the rounds")
    simulation.add_argument(
        "--database", choices=("sqlite", "postgres"), default="sqlite", help="postgres: several processes"
    )
    return parser.parse_args()


def read_faults() -> list[Fault]:
    """Return the faults in the order of the list."""
    entries: list[dict[str, Any]] = tomllib.loads(LIST.read_text(encoding="utf-8"))["fault"]
    return [Fault(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def copy_working_tree(root: Path, target: Path) -> None:
    """Copy the files that git tracks or would track, as they are on disk."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def judge(clean: Path, fault: Fault, search: Search | None) -> Verdict:
    """Plant one fault in a copy of the clean tree, run its tests or the simulation, and print the verdict."""
    started = time.monotonic()
    try:
        with planted(clean, fault) as copy:
            if search is None:
                verdict, detail = classify(*run_pytest(copy, ["-x", "-n", "0", *fault.tests]))
            else:
                found, detail = search.look_for(copy, fault.database)
                verdict = Verdict.CAUGHT if found else Verdict.SURVIVED
    except ValueError as error:
        verdict, detail = Verdict.BROKEN, str(error)
    seconds = time.monotonic() - started
    tell(f"{verdict:<8} {seconds:6.1f} s  {fault.area:<10} {fault.name} | {detail}")
    return verdict


@contextlib.contextmanager
def planted(clean: Path, fault: Fault) -> Iterator[Path]:
    """Yield a copy of the clean tree that has the fault. Raises ValueError if it can't be applied."""
    with tempfile.TemporaryDirectory(prefix="fault-", dir=clean.parent) as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(clean, copy)
        fault.apply(copy)
        yield copy


def run_pytest(tree: Path, selected: Sequence[str]) -> tuple[int | None, str]:
    """Return the exit code and the output. The code is None after a timeout."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *selected]
    # Use a file, since a server that outlives the tests would keep a pipe open.
    with (tree / OUTPUT).open("w+", encoding="utf-8") as output:
        # Use a new session, so that everything the tests started can be stopped together with them.
        wide = os.environ | {"COLUMNS": "400"}  # otherwise pytest cuts the message off
        process = subprocess.Popen(
            command, cwd=tree, env=wide, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code: int | None = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        output.seek(0)
        return code, output.read()


def classify(code: int | None, output: str) -> tuple[Verdict, str]:
    """Return the verdict, and pytest's line about the failed test or its last line.

    Only `assert`, `pytest.fail` and `pytest.raises` catch a fault; the time limit of a test doesn't.
    """
    if code is None:
        return Verdict.BROKEN, "the tests did not end in time"
    if code == 0:
        return Verdict.SURVIVED, last_line(output)
    failed = next((line for line in output.splitlines() if line.startswith("FAILED ")), last_line(output))
    message = failed.partition(" - ")[2]
    is_assertion = message.startswith(("assert", "AssertionError", "Failed: "))
    is_assertion &= not message.startswith("Failed: Timeout")
    return (Verdict.CAUGHT if code == 1 and is_assertion else Verdict.BROKEN), failed[:160]


@dataclass(frozen=True, slots=True)
class Search:
    """A search with the simulation, in the rounds of a seed, until one breaks a promise.

    The promise must hold in the same round of `clean`, the tree without a fault.
    """

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
        finished = subprocess.run(
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


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:160]


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
