"""Plant known faults in copies of the code, one in each copy, and check that the tests catch them.

    python -m tools.planted_faults                    run the tests listed for each fault
    python -m tools.planted_faults --check-clean      run the listed tests without any fault first
    python -m tools.planted_faults --all-tests        run the whole suite for each fault
    python -m tools.planted_faults -k lease --jobs 2  select faults by name, run two at a time
    python -m tools.planted_faults --simulate         let the simulation look for each; resumes

A planted fault is a mistake that a programmer might make. `tests/planted_faults.toml` lists them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
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
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tools.simulated_faults import ProgressFile, look_for

ROOT = Path(__file__).parents[1]
LIST = ROOT / "tests" / "planted_faults.toml"
# This test compares the list with the code, so it would notice every fault.
OWN_TEST = "tests/unit/test_planted_faults.py"
AREAS = ("store", "delivery", "workers", "moderation", "operator")
LISTED_SECONDS = 900
ALL_SECONDS = 7200
REPORT = "planted-faults-report.xml"
OUTPUT = "planted-faults-output.txt"
PROGRESS = Path("simulated-faults.jsonl")
FASTEST_FOLDER = Path("/dev/shm")  # noqa: S108  # only where it exists


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
    """A mistake to plant: `new` replaces `old` in `file`. At least one of `tests` must then fail."""

    name: str
    area: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> None:
        """Change the file under `root`. Raises ValueError unless `old` occurs exactly once."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"the text to replace occurs {count} times in {self.file}")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed test as pytest reports it. pytest truncates a long `message`, but not the `report`."""

    test: str
    message: str
    report: str

    @property
    def is_assertion(self) -> bool:
        """Return whether `assert`, `pytest.fail` or `pytest.raises` failed. The time limit doesn't count."""
        if self.message.startswith("Failed: Timeout"):
            return False
        return self.message.startswith(("assert ", "AssertionError", "Failed: "))

    @property
    def summary(self) -> str:
        """Return the test's name with the assertion that failed or, without one, the message's first line."""
        raised = [line[1:].strip() for line in self.report.splitlines() if line.startswith("E ")]
        stated = [line.removeprefix("AssertionError: ") for line in raised]
        fallback = self.message.strip().partition("\n")[0]
        found = next((line for line in stated if line.startswith("assert ")), fallback)
        return f"{self.test}: {found[:120]}"


@dataclass(frozen=True, slots=True)
class Result:
    """A verdict with the line that explains it."""

    fault: Fault
    verdict: Verdict
    detail: str
    seconds: float

    def __str__(self) -> str:
        judged = f"{self.verdict:<8} {self.seconds:6.1f} s  {self.fault.area:<10} {self.fault.name}"
        return f"{judged} | {self.detail}"


def main() -> int:
    """Return 0 if every selected fault was caught, 2 if tests fail without a fault, and otherwise 1."""
    given = arguments()
    chosen = [fault for fault in read_faults() if given.k.casefold() in fault.name.casefold()]
    parent = FASTEST_FOLDER if given.simulate and FASTEST_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="planted-faults-", dir=parent) as folder:
        clean = Path(folder) / "clean"
        copy_working_tree(ROOT, clean)
        if given.check_clean and not is_green(clean, chosen, given.jobs):
            return 2
        if given.simulate:
            results = simulate_all(clean, chosen, given)
        else:
            results = judge_all(clean, chosen, jobs=given.jobs, all_tests=given.all_tests)
    caught = Counter(result.verdict for result in results)[Verdict.CAUGHT]
    tell(f"faults={len(results)} caught={caught}")
    return 0 if caught == len(results) > 0 else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-k", default="", metavar="NAME", help="only faults whose name contains this text")
    parser.add_argument("--all-tests", action="store_true", help="run the whole suite, not the listed tests")
    parser.add_argument("--check-clean", action="store_true", help="first run the listed tests as they are")
    parser.add_argument("--jobs", type=int, default=1, help="how many faults are tested side by side")
    simulation = parser.add_argument_group("the simulation")
    simulation.add_argument("--simulate", action="store_true", help="play simulated rounds instead of tests")
    simulation.add_argument("--rounds", type=int, default=1000, help="how many at most for each fault")
    simulation.add_argument("--seed", default="1", help="the seed of the rounds")
    simulation.add_argument(
        "--database", choices=("sqlite", "postgres"), default="sqlite", help="postgres: several processes"
    )
    simulation.add_argument("--progress", type=Path, default=PROGRESS, help="the file of what is known")
    simulation.add_argument("--fresh", action="store_true", help="forget that file")
    return parser.parse_args()


def read_faults() -> list[Fault]:
    """Return the faults in the order of the list."""
    entries: list[dict[str, Any]] = tomllib.loads(LIST.read_text(encoding="utf-8"))["fault"]
    return [Fault(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def copy_working_tree(root: Path, target: Path) -> None:
    """Copy the files that git tracks or would track, as they are on disk."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


@contextlib.contextmanager
def planted(clean: Path, fault: Fault) -> Iterator[Path]:
    """Yield a copy of the clean tree that has the fault. Raises ValueError if it can't be applied."""
    with tempfile.TemporaryDirectory(prefix="fault-", dir=clean.parent) as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(clean, copy)
        fault.apply(copy)
        yield copy


def is_green(clean: Path, faults: Sequence[Fault], jobs: int) -> bool:
    """Run every listed test once on the unmodified code, print the result, and return whether all passed."""
    tests = list(dict.fromkeys(test for fault in faults for test in fault.tests))
    started = time.monotonic()
    workers = str(jobs) if jobs > 1 else "0"
    code, output = run_pytest(clean, ["-x", "-n", workers, *tests], seconds=ALL_SECONDS)
    seconds = time.monotonic() - started
    tell(f"{'clean' if code == 0 else 'NOT CLEAN'} {seconds:.1f} s  {last_line(output)}")
    return code == 0


def judge_all(clean: Path, faults: Sequence[Fault], *, jobs: int, all_tests: bool) -> list[Result]:
    """Test every fault and print each result as soon as it is known."""

    def one(fault: Fault) -> Result:
        result = judge(clean, fault, all_tests=all_tests)
        tell(str(result))
        return result

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return list(pool.map(one, faults))


def simulate_all(clean: Path, faults: Sequence[Fault], given: argparse.Namespace) -> list[Result]:
    """Let the simulation look for every fault, and print each result as soon as it is known."""
    known = ProgressFile(given.progress, fresh=given.fresh)

    def one(fault: Fault) -> Result:
        result = simulate(clean, fault, known, given)
        tell(str(result))
        return result

    with ThreadPoolExecutor(max(1, given.jobs)) as pool:
        return list(pool.map(one, faults))


def simulate(clean: Path, fault: Fault, known: ProgressFile, given: argparse.Namespace) -> Result:
    """Plant one fault and play rounds."""
    started = time.monotonic()
    try:
        with planted(clean, fault) as copy:
            found = look_for(
                known.get(fault.name, given.seed, given.database), copy, clean, known, given.rounds
            )
        verdict = Verdict.SURVIVED if found.found is None else Verdict.CAUGHT
        detail = str(found)
    except ValueError as error:
        verdict, detail = Verdict.BROKEN, str(error)
    return Result(fault, verdict, detail, time.monotonic() - started)


def judge(clean: Path, fault: Fault, *, all_tests: bool) -> Result:
    """Plant one fault and run its tests."""
    started = time.monotonic()
    seconds = ALL_SECONDS if all_tests else LISTED_SECONDS
    try:
        with planted(clean, fault) as copy:
            code, output = run_pytest(copy, selection(fault, all_tests=all_tests), seconds=seconds)
            verdict, detail = classify(code, output, failures(copy / REPORT))
    except ValueError as error:
        verdict, detail = Verdict.BROKEN, str(error)
    return Result(fault, verdict, detail, time.monotonic() - started)


def selection(fault: Fault, *, all_tests: bool) -> list[str]:
    """Return pytest's arguments: the listed tests, or what `make test` runs.

    The whole suite continues after a first failure, which may be an error instead of an assertion.
    """
    if all_tests:
        return ["--maxfail=10", f"--ignore={OWN_TEST}"]
    return ["-x", "-n", "0", *fault.tests]


def run_pytest(tree: Path, selected: Sequence[str], *, seconds: float) -> tuple[int | None, str]:
    """Return the exit code and the output. The code is None after a timeout."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={REPORT}"]
    # Use a file, since a server that outlives the tests would keep a pipe open.
    with (tree / OUTPUT).open("w+", encoding="utf-8") as output:
        # Use a new session, so that everything the tests started can be stopped together with them.
        process = subprocess.Popen(
            [*command, *selected], cwd=tree, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        output.seek(0)
        return code, output.read()


def failures(report: Path) -> list[Failure]:
    """Return the failed tests, without errors in collection, setup and teardown."""
    if not report.exists():
        return []
    return [
        Failure(case.get("name", ""), failure.get("message", ""), failure.text or "")
        for case in ElementTree.parse(report).iter("testcase")
        for failure in case.iter("failure")
    ]


def classify(code: int | None, output: str, failed: Sequence[Failure]) -> tuple[Verdict, str]:
    """Return the verdict, and the assertion or the reason why there is none."""
    if code is None:
        return Verdict.BROKEN, "the tests did not end in time"
    if code == 0:
        return Verdict.SURVIVED, last_line(output)
    asserted = next((failure for failure in failed if failure.is_assertion), None)
    if code == 1 and asserted is not None:
        return Verdict.CAUGHT, asserted.summary
    return Verdict.BROKEN, failed[0].summary if failed else last_line(output)


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:160]


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
