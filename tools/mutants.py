"""Run mutation tests, and print the share of mutants that the tests kill.

    python -m tools.mutants core                    every mutant of the pure core, by its unit tests
    python -m tools.mutants sample --seed 9         200 mutants of the other packages

mutmut creates the mutants in a copy of the working tree. With `core`, each mutant is tested in a fork of one
process, by the tests that reach its function. With `sample`, each mutant is tested in separate processes, by
the tests of its module, the stories and 200 rounds of the simulation, until one of them fails.
tests/mutants.toml lists the files and tests. Survivors listed in tests/equivalent_mutants.toml don't count.

Exit codes: 0 success, 1 less than `CORE_SHARE` percent of the core's mutants killed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.planted_faults import copy_working_tree

ROOT = Path(__file__).parents[1]
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.toml"
KILLED, SURVIVED, UNTESTED = 1, 0, 33
NOT_RUN = frozenset({None, 2, 34})  # mutmut's codes for mutants not reached, interrupted and skipped
SECONDS = 900
CORE_SHARE = 90.0
# What a mutant of the sample meets, as arguments of `python -m`.
PYTEST = ("pytest", "-xq", "-pno:xdist", "-pno:cacheprovider", "-oaddopts=", "-mnot slow")
STORIES = (*PYTEST, "tests/stories")
SIMULATION = ("tests.simulation", "--seed", "9", "--rounds", "200", "--no-shorten")

MUTANTS = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text(encoding="utf-8"))
CORE, SAMPLE = MUTANTS["core"], MUTANTS["sample"]
# These tests read files of the repository, which differ in a mutated copy.
NOT_IN_A_COPY = ("tests/unit/test_docs.py", "tests/unit/test_architecture.py")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scope", choices=["core", "sample"])
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--results",
        type=Path,
        help="a file of results for `sample`: a stopped run goes on with what is missing",
    )
    given = parser.parse_args()
    files, tests = [f"bot/{each}{of}.py" for each in SAMPLE for of in ("", "/*")], ["tests/unit"]
    if given.scope == "core":
        files, tests = CORE["files"], CORE["tests"]
    with copied(files, tests) as copy:
        if given.scope == "core":
            results = run_all(copy, given.jobs)
        else:
            generate(copy)
            names = sorted(exit_codes(copy))
            chosen = random.Random(given.seed).sample(names, min(given.count, len(names)))
            results = run_chosen(copy, chosen, given.jobs, given.results or copy / "results.txt")
        return report(copy, given.scope, results)


@contextlib.contextmanager
def copied(files: Sequence[str], tests: Sequence[str]) -> Iterator[Path]:
    """Yield a copy of the files that git tracks or would track, with mutmut configured in it."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder)
        copy_working_tree(ROOT, copy)
        left_out = [f"--ignore={each}" for each in NOT_IN_A_COPY]
        configuration = {
            "source_paths": ["bot"],
            "only_mutate": files,
            "do_not_mutate": ["bot/database/migrations/*"],
            "also_copy": sorted(path.name for path in copy.iterdir() if path.name not in ("bot", "tests")),
            "pytest_add_cli_args_test_selection": tests,
            "pytest_add_cli_args": ["-p", "no:xdist", "-o", "addopts=", *left_out],
            "use_git_change_detection": False,
        }
        with (copy / "pyproject.toml").open("a", encoding="utf-8") as file:
            lines = [f"{key} = {json.dumps(value)}" for key, value in configuration.items()]
            file.write("\n[tool.mutmut]\n" + "\n".join(lines) + "\n")
        yield copy


def run_all(copy: Path, jobs: int) -> dict[str, int]:
    """Test every mutant in a fork of one process, which is fast and sufficient for tests without I/O.

    Returns mutmut's exit codes by the names of the mutants.
    """
    mutmut = [sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs)]
    ran = subprocess.run(mutmut, cwd=copy, stdout=subprocess.PIPE, text=True, check=False)
    codes = exit_codes(copy)
    if ran.returncode or not codes or NOT_RUN & set(codes.values()):
        sys.exit(f"{ran.stdout[-5000:]}\nmutmut did not run every mutant (exit code {ran.returncode})")
    return codes


_GENERATE = """
from pathlib import Path
from mutmut import __main__ as mutmut
Path("mutants").mkdir(exist_ok=True)
mutmut.set_mutant_under_test("mutant_generation")
mutmut.copy_src_dir()
mutmut.copy_also_copy_files()
mutmut.setup_source_paths()
mutmut.create_mutants(1)
"""


def generate(copy: Path) -> None:
    """Generate the mutants without running them."""
    subprocess.run([sys.executable, "-c", _GENERATE], cwd=copy, check=True, stdout=subprocess.DEVNULL)


def run_chosen(copy: Path, names: Iterable[str], jobs: int, file: Path) -> dict[str, int]:
    """Test each of these mutants, unless `file` has its result already. Return all results by name.

    `file` gets a line for each result, such as "0 MODULE.x_apply_change__mutmut_7".
    """
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    known = {name: int(code) for code, _, name in (line.partition(" ") for line in lines)}
    for stage in () if known else (STORIES, SIMULATION):
        if run_one(copy, "", stage):
            sys.exit(f"{' '.join(stage)} fails without a mutant, too")

    def judge(name: str) -> tuple[str, int]:
        if name in known:
            return name, known[name]
        code = next((code for stage in stages(name) if (code := run_one(copy, name, stage))), SURVIVED)
        with file.open("a", encoding="utf-8") as results:
            results.write(f"{code} {name}\n")
        sys.stdout.write(f"{'survived' if code == SURVIVED else 'killed'} {name}\n")
        sys.stdout.flush()
        return name, code

    with ThreadPoolExecutor(jobs) as pool:
        return dict(pool.map(judge, names))


def stages(name: str) -> Iterator[Sequence[str]]:
    """Yield what must notice a mutant: its module's tests, then the slower stages."""
    package, _, module = name.split(".x", maxsplit=1)[0].removeprefix("bot.").partition(".")
    if tests := SAMPLE[package].get(module or "__init__"):
        yield *PYTEST, *(f"tests/{test}" for test in tests)
    yield STORIES
    yield SIMULATION


def run_one(copy: Path, name: str, stage: Sequence[str]) -> int:
    """Run a stage with the mutant `name`, or without a mutant if it is empty, and return the exit code.

    A mutant with which a stage takes too long counts as killed, as in mutmut.
    """
    command = [sys.executable, "-m", *stage]
    environment = os.environ | {"MUTANT_UNDER_TEST": name}
    try:
        ran = subprocess.run(
            command, cwd=copy / "mutants", env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return KILLED
    if ran.returncode == 5 and stage[0] == "pytest":  # 4 is a mutant that breaks an import of conftest.py
        sys.exit(f"{name}: {' '.join(stage)} has no tests: {ran.stdout.decode()[-2000:]}")
    return ran.returncode


def exit_codes(copy: Path) -> dict[str, int]:
    """Return mutmut's result for every generated mutant."""
    found: dict[str, int] = {}
    for meta in (copy / "mutants" / "bot").rglob("*.meta"):
        found |= json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def report(copy: Path, scope: str, results: dict[str, int]) -> int:
    """Print the survivors with their changes, and the share that was killed. Return the exit code."""
    equivalent = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    counts: Counter[str] = Counter()
    for name, code in sorted(results.items()):
        if code not in (SURVIVED, UNTESTED):
            counts["killed"] += 1
            continue
        change = diff_of(copy, name)
        if any(
            each["function"] in name and lines_of(each["change"]) <= lines_of(change) for each in equivalent
        ):
            counts["equivalent"] += 1
            continue
        counts["survived"] += 1
        sys.stdout.write(f"\n{name}\n{change}\n")
    judged = counts["killed"] + counts["survived"]
    share = 100 * counts["killed"] / judged if judged else 0.0
    sys.stdout.write(
        f"{scope}: mutants={len(results)} equivalent={counts['equivalent']} killed={counts['killed']}"
        f" survived={counts['survived']} share={share:.1f}%\n"
    )
    return int(scope == "core" and share < CORE_SHARE)


def lines_of(change: str) -> set[str]:
    """Return the changed lines without indentation."""
    return {f"{line[0]} {line[1:].strip()}" for line in change.splitlines() if line}


def diff_of(copy: Path, name: str) -> str:
    """Return the lines that a mutant removes and adds."""
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name],
        cwd=copy,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    lines = [line for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
