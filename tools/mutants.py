"""Measure how many small faults in the code the tests notice.

    python -m tools.mutants core                    every mutant of the pure core, by its unit tests
    python -m tools.mutants sample --seed 9         200 mutants of store, delivery, tracking and moderation

mutmut makes the mutants and finds out which tests reach which function. Everything happens in a copy of the
working tree. The sample runs each mutant against the fastest `TESTS_PER_MUTANT` tests that reach it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.toml"
TESTS_PER_MUTANT = 120
KILLED, SURVIVED, UNTESTED = 1, 0, 33
SECONDS = 300


@dataclass(frozen=True)
class Scope:
    """Which files are mutated, and which tests run."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


CORE = Scope(
    files=(
        "bot/runs/*.py",
        "bot/rules/budgets.py",
        "bot/media/address.py",
        "bot/tracking/signing.py",
        "bot/comfy/body.py",
        "bot/comfy/calls.py",
        "bot/comfy/deployments.py",
        "bot/comfy/faults.py",
        "bot/comfy/outputs.py",
        "bot/comfy/reports.py",
        "bot/comfy/wire.py",
    ),
    tests=(
        "tests/unit/test_policy.py",
        "tests/unit/test_policy_terms.py",
        "tests/unit/test_transitions.py",
        "tests/unit/test_queueing.py",
        "tests/unit/test_request.py",
        "tests/unit/test_signing.py",
        "tests/unit/comfy",
        "tests/unit/media",
        "tests/unit/moderation/test_budgets.py",
    ),
)
SAMPLED = Scope(
    files=("bot/store/*.py", "bot/delivery/*.py", "bot/tracking/*.py", "bot/moderation/*.py"),
    tests=("tests/unit", "tests/contract/store", "tests/web", "tests/discord"),
)
# These look at code objects or at the files of the repository, which are not the same in a mutated copy.
NOT_IN_A_COPY = (
    "tests/unit/test_docs.py",
    "tests/unit/test_architecture.py",
    "tests/unit/test_planted_faults.py",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scope", choices=["core", "sample"])
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout to measure")
    parser.add_argument("--not", dest="without", action="append", default=[], help="a test to leave out")
    given = parser.parse_args()
    scope = CORE if given.scope == "core" else SAMPLED
    with copied(given.root, scope, given.without) as copy:
        if given.scope == "core":
            results = run_all(copy, given.jobs)
        else:
            collect(copy)
            names = sorted(exit_codes(copy))
            chosen = random.Random(given.seed).sample(names, min(given.count, len(names)))
            results = run_chosen(copy, chosen, given.jobs)
        return report(copy, given.scope, results)


@contextlib.contextmanager
def copied(root: Path, scope: Scope, without: Sequence[str]) -> Iterator[Path]:
    """Copy the files that git knows of, and configure mutmut there."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        copy = Path(folder)
        for name in filter(None, listed.split("\0")):
            if (root / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, copy / name)
        left_out = [f"--ignore={each}" for each in NOT_IN_A_COPY] + [f"--deselect={each}" for each in without]
        configuration = {
            "source_paths": ["bot"],
            "only_mutate": list(scope.files),
            "also_copy": sorted(path.name for path in copy.iterdir() if path.name not in ("bot", "tests")),
            "pytest_add_cli_args_test_selection": list(scope.tests),
            "pytest_add_cli_args": ["-p", "no:xdist", "-o", "addopts=", *left_out],
            "use_git_change_detection": False,
        }
        with (copy / "pyproject.toml").open("a", encoding="utf-8") as file:
            lines = [f"{key} = {json.dumps(value)}" for key, value in configuration.items()]
            file.write("\n[tool.mutmut]\n" + "\n".join(lines) + "\n")
        yield copy


def run_all(copy: Path, jobs: int) -> dict[str, int]:
    """Run every mutant in forks of one process; fast, and enough for tests without I/O."""
    mutmut = [sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs)]
    subprocess.run(mutmut, cwd=copy, check=True, stdout=subprocess.DEVNULL)
    return exit_codes(copy)


_COLLECT = """
from pathlib import Path
from mutmut import __main__ as mutmut
Path("mutants").mkdir(exist_ok=True)
mutmut.set_mutant_under_test("mutant_generation")
mutmut.copy_src_dir()
mutmut.copy_also_copy_files()
mutmut.setup_source_paths()
mutmut.create_mutants(1)
mutmut.collect_or_load_stats(mutmut.get_mutant_runner(1))
"""


def collect(copy: Path) -> None:
    """Make the mutants, and note for every function which tests reach it."""
    subprocess.run([sys.executable, "-c", _COLLECT], cwd=copy, check=True)


def run_chosen(copy: Path, names: Iterable[str], jobs: int) -> dict[str, int]:
    """Run each of the mutants in a process of its own."""
    stats = json.loads((copy / "mutants" / "mutmut-stats.json").read_text(encoding="utf-8"))
    reached, seconds = stats["tests_by_mangled_function_name"], stats["duration_by_test"]

    def judge(name: str) -> tuple[str, int]:
        tests = sorted(
            reached.get(name.rpartition("__mutmut_")[0], ()), key=lambda test: seconds.get(test, 0.0)
        )
        code = run_one(copy, name, tests[:TESTS_PER_MUTANT]) if tests else UNTESTED
        sys.stdout.write(f"{'killed' if code == KILLED else 'SURVIVED'} ({code}) {name}\n")
        sys.stdout.flush()
        return name, code

    with ThreadPoolExecutor(jobs) as pool:
        return dict(pool.map(judge, names))


def run_one(copy: Path, name: str, tests: Sequence[str]) -> int:
    """Return pytest's exit code; a run that takes too long counts as killed, as with mutmut."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", "-o", "addopts=", *tests]
    environment = os.environ | {"MUTANT_UNDER_TEST": name}
    try:
        ran = subprocess.run(
            command, cwd=copy / "mutants", env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return KILLED
    return ran.returncode


def exit_codes(copy: Path) -> dict[str, int]:
    """Return mutmut's result for every mutant it has made."""
    found: dict[str, int] = {}
    for meta in (copy / "mutants" / "bot").rglob("*.meta"):
        found |= json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def report(copy: Path, scope: str, results: dict[str, int]) -> int:
    """Print what survived, with its change, and the share that was killed."""
    equivalent = equivalent_changes()
    counts: Counter[str] = Counter()
    for name, code in sorted(results.items()):
        if code in (SURVIVED, UNTESTED):
            change = diff_of(copy, name)
            known = any(all(line in change for line in each["change"].splitlines()) for each in equivalent)
            counts["equivalent" if known else "survived"] += 1
            if not known:
                sys.stdout.write(f"\n{name}\n{change}\n")
        else:
            counts["killed"] += 1
    judged = counts["killed"] + counts["survived"]
    share = 100 * counts["killed"] / judged if judged else 0.0
    sys.stdout.write(
        f"{scope}: mutants={len(results)} equivalent={counts['equivalent']} killed={counts['killed']}"
        f" survived={counts['survived']} share={share:.1f}%\n"
    )
    return 0


def equivalent_changes() -> list[dict[str, Any]]:
    if not EQUIVALENT.exists():
        return []
    found: list[dict[str, Any]] = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    return found


def diff_of(copy: Path, name: str) -> str:
    """Return the lines that a mutant takes out and puts in."""
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name], cwd=copy, capture_output=True, text=True, check=False
    ).stdout
    lines = [line for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
