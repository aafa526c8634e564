"""Run mutation tests, and print the share of mutants that the tests kill.

    python -m tools.mutants core                    every mutant of the pure core, by its unit tests
    python -m tools.mutants sample --seed 9         200 mutants of the packages in `TESTS`

mutmut creates the mutants in a copy of the working tree. With `core`, each mutant is tested in a fork of one
process, by the tests that reach its function. With `sample`, each mutant is tested in a separate process, by
the tests of its module. Survivors listed in tests/equivalent_mutants.toml don't count.

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
from dataclasses import dataclass
from pathlib import Path

from tools.planted_faults import copy_working_tree

ROOT = Path(__file__).parents[1]
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.toml"
KILLED, SURVIVED, UNTESTED = 1, 0, 33
NOT_RUN = frozenset({None, 2, 34})  # mutmut's codes for mutants not reached, interrupted and skipped
SECONDS = 300
CORE_SHARE = 90.0


@dataclass(frozen=True)
class Scope:
    """The files to mutate, and the tests to run."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


CORE = Scope(
    files=(
        "bot/domain/access.py",
        "bot/domain/breaker.py",
        "bot/domain/budgets.py",
        "bot/domain/queue/estimates.py",
        "bot/domain/queue/fair_queue.py",
        "bot/domain/decisions.py",
        "bot/domain/policy.py",
        "bot/domain/presets.py",
        "bot/domain/run_timing.py",
        "bot/domain/requests.py",
        "bot/domain/messages/decide.py",
        "bot/domain/messages/ladder.py",
        "bot/domain/messages/records.py",
        "bot/domain/results/sharing.py",
        "bot/domain/results/showing.py",
        "bot/domain/runs.py",
        "bot/domain/transitions.py",
        "bot/media/ssrf.py",
        "bot/comfydeploy/client.py",
        "bot/comfydeploy/deployments.py",
        "bot/comfydeploy/reports.py",
        "bot/comfydeploy/webhook_urls.py",
        "bot/comfydeploy/wire.py",
    ),
    tests=(
        "tests/unit/comfydeploy",
        "tests/unit/delivery",
        "tests/unit/domain/test_access.py",
        "tests/unit/domain/test_breaker.py",
        "tests/unit/domain/test_budgets.py",
        "tests/unit/domain/test_estimates.py",
        "tests/unit/domain/test_fair_queue.py",
        "tests/unit/domain/test_judging.py",
        "tests/unit/domain/test_messages.py",
        "tests/unit/domain/test_moderation.py",
        "tests/unit/domain/test_policy.py",
        "tests/unit/domain/test_policy_terms.py",
        "tests/unit/domain/test_presets.py",
        "tests/unit/domain/test_run_timing.py",
        "tests/unit/domain/test_request.py",
        "tests/unit/domain/test_runs.py",
        "tests/unit/domain/test_sharing.py",
        "tests/unit/domain/test_showing.py",
        "tests/unit/domain/test_transitions.py",
        "tests/unit/domain/test_unsuccessful_ends.py",
    ),
)
DATABASE, STORE, DISCORD = "contract/database/test", "contract/store/test", "discord/test"
SERVICES, WEB = "unit/services/test", "web/test"
# The tests of each module: running the whole suite for each of 200 mutants would take a day.
TESTS = {
    "database": {
        "column_types": f"{DATABASE}_texts.py {STORE}_run_reports.py {STORE}_messages.py",
        "coordination": f"{DATABASE}_coordination.py",
        "engine": f"{DATABASE}_faults.py {DATABASE}_schema.py {STORE}_accept.py",
        "errors": f"{DATABASE}_faults.py commits/test_unconfirmed_commits.py",
        "key_values": f"{DATABASE}_key_values.py",
        "keyset": f"{STORE}_history.py {STORE}_audit.py {STORE}_privacy.py",
        "message_rows": f"{STORE}_messages.py {STORE}_run_reports.py {STORE}_history.py",
        "postgres": "commits/test_unconfirmed_commits.py commits/test_lost_replies.py",
        "row_locks": f"{STORE}_batch_ends.py {STORE}_run_reports.py",
        "schema": f"{DATABASE}_schema.py e2e/test_start.py",
        "sqlite": f"{DATABASE}_sqlite.py {DATABASE}_faults.py {DATABASE}_schema.py",
        "rows": f"{STORE}_run_reports.py {STORE}_messages.py {STORE}_requests.py {STORE}_reviews.py",
        "tables": f"{DATABASE}_schema.py {STORE}_indexes.py",
    },
    "store": {
        "__init__": f"{STORE}_requests.py",
        "audit": f"{STORE}_audit.py {DISCORD}_audit.py",
        "blocks": f"{STORE}_blocks.py {STORE}_block_ends.py {DISCORD}_blocks.py {DISCORD}_block_ends.py",
        "claims": f"{STORE}_claims.py {STORE}_claim_checks.py",
        "copies": f"{STORE}_messages.py {DISCORD}_shares.py {DISCORD}_deleted_copies.py",
        "messages": f"{STORE}_messages.py {STORE}_reviews.py {DISCORD}_delivery.py"
        f" {DISCORD}_undelivered.py {DISCORD}_deadlines.py {DISCORD}_private.py",
        "requests.judging": f"{STORE}_judged_claims.py {DISCORD}_waiting.py",
        "outcomes": f"{STORE}_run_reports.py {STORE}_batch_ends.py",
        "durations": f"{STORE}_durations.py {DISCORD}_estimates.py",
        "reading.export": f"{STORE}_history.py e2e/test_operator_commands.py",
        "reading.history": f"{STORE}_history.py {DISCORD}_runs.py",
        "presets": f"{STORE}_presets.py {DISCORD}_presets.py {DISCORD}_channel_defaults.py",
        "erasure.privacy": f"{STORE}_privacy.py {DISCORD}_privacy.py",
        "erasure.retention": f"{STORE}_privacy.py {STORE}_batch_afterwards.py {STORE}_block_ends.py",
        "ledger": f"{STORE}_ledger.py {STORE}_requests.py {STORE}_judged_claims.py",
        "requests.accept": f"{STORE}_requests.py {STORE}_presses.py {STORE}_accept.py"
        f" {STORE}_accept_in_turn.py {STORE}_batch.py",
        "reviews": f"{STORE}_reviews.py {DISCORD}_approval.py",
        "rules": f"{STORE}_server_rules.py {DISCORD}_pause.py",
        "runs": f"{STORE}_run_reports.py {STORE}_cancelling.py"
        f" {STORE}_claim_checks.py {STORE}_batch_ends.py {WEB}_webhook.py {DISCORD}_cancel.py",
        "queue": f"{STORE}_claims.py {STORE}_judged_claims.py {DISCORD}_queue.py",
        "reading.gauges": f"{WEB}_metrics.py",
        "requests.usage": f"{STORE}_requests.py {WEB}_metrics.py {DISCORD}_budget.py"
        f" {DISCORD}_usage.py {DISCORD}_queue.py",
    },
    "delivery": {
        "age_restriction": f"{DISCORD}_age_marks.py {DISCORD}_marked_channels.py",
        "compose": f"{DISCORD}_delivery.py {DISCORD}_batch_moderated.py {DISCORD}_approval.py"
        f" {DISCORD}_reports.py {DISCORD}_shares.py",
        "discord_health": f"unit/delivery/test_discord_health.py {DISCORD}_outages.py",
        "messenger": f"{DISCORD}_delivery.py {DISCORD}_undelivered.py {DISCORD}_happy_path.py",
        "estimator": f"{STORE}_estimator.py {DISCORD}_estimates.py",
        "reopening": f"{DISCORD}_private.py",
        "on_demand": f"{DISCORD}_shares.py {DISCORD}_failed_shares.py {DISCORD}_deleted_copies.py",
        "posting": f"{DISCORD}_delivery.py {DISCORD}_undelivered.py {DISCORD}_user_installs.py"
        f" {DISCORD}_cancel.py {DISCORD}_batch.py",
        "status": f"{DISCORD}_status.py {DISCORD}_estimates.py {DISCORD}_happy_path.py {DISCORD}_queue.py",
    },
    "discord_api": {
        "calls": f"unit/delivery/test_age_mark.py {DISCORD}_delivery.py {DISCORD}_cancel.py"
        f" {DISCORD}_age_marks.py e2e/test_roles.py",
        "channels": "unit/fakediscord/test_channel_state.py",
        "errors": f"{DISCORD}_outages.py",
        "permissions": "unit/gateway/test_permissions.py",
    },
    "media": {
        "download": "unit/delivery/test_download.py unit/delivery/test_download_addresses.py"
        " unit/delivery/test_download_pace.py unit/delivery/test_heads.py",
        "file_types": "unit/delivery/test_file_types.py",
        "shrink": "unit/delivery/test_shrink.py",
        "ssrf": "unit/delivery/test_ssrf.py unit/delivery/test_download_addresses.py",
        "outputs": f"unit/delivery/test_outputs.py {DISCORD}_files.py {DISCORD}_results.py"
        f" {DISCORD}_spoiler.py {DISCORD}_disk_full.py",
        "temporary_files": f"{DISCORD}_disk_full.py e2e/test_start.py",
    },
    "words": {
        "cache": f"{SERVICES}_automod.py {SERVICES}_word_filter.py {DISCORD}_automod.py",
        "forms": f"{SERVICES}_word_rules.py {SERVICES}_word_tricks.py {SERVICES}_word_patterns.py",
        "rules": f"{SERVICES}_word_rules.py {SERVICES}_word_tricks.py {SERVICES}_word_patterns.py"
        f" {SERVICES}_automod.py",
        "thread": f"{SERVICES}_word_thread.py {SERVICES}_word_filter.py",
    },
    "workers": {
        "attachment_renewal": f"{DISCORD}_attachments.py {DISCORD}_all_entry_points.py",
        "progress": f"{WEB}_webhook.py {DISCORD}_status.py {DISCORD}_webhook_habits.py",
        "reports": f"{WEB}_webhook.py {DISCORD}_status.py {DISCORD}_webhook_habits.py",
        "reconciler": f"{DISCORD}_deadlines.py {DISCORD}_cancel.py {DISCORD}_webhook_habits.py",
        "schedule": "unit/workers/test_worker.py",
        "backend_health": f"unit/workers/test_backend_health.py {DISCORD}_comfydeploy_says_no.py",
        "submission": f"{DISCORD}_comfydeploy_says_no.py {STORE}_submission.py "
        f"{DISCORD}_happy_path.py {DISCORD}_batch_progress.py",
        "webhook": f"{WEB}_webhook.py {WEB}_broken_requests.py e2e/test_check.py",
        "worker": "unit/workers/test_worker.py",
    },
    "services": {
        "access": f"{DISCORD}_others.py {DISCORD}_moderated_elsewhere.py {DISCORD}_delete_everywhere.py"
        f" {DISCORD}_cancel.py {DISCORD}_undelivered.py {SERVICES}_sharing.py",
        "moderation.audit": f"{DISCORD}_audit.py",
        "exports": f"{SERVICES}_exports.py {SERVICES}_privacy.py",
        "moderation.blocks": f"{DISCORD}_blocks.py {DISCORD}_unblock_button.py {DISCORD}_pause.py",
        "drafts": f"{DISCORD}_edit.py {DISCORD}_use_as_input.py {DISCORD}_follow_ups.py {DISCORD}_others.py",
        "generation": f"{DISCORD}_happy_path.py {DISCORD}_refusals.py {DISCORD}_buttons.py"
        f" {DISCORD}_batch.py {DISCORD}_private.py {DISCORD}_age_marks.py {DISCORD}_edit.py",
        "input_files": f"{SERVICES}_input_files.py {DISCORD}_wrong_files.py {DISCORD}_marked_channels.py",
        "presets": f"{DISCORD}_presets.py {DISCORD}_channel_defaults.py",
        "privacy": f"{SERVICES}_privacy.py {DISCORD}_privacy.py",
        "moderation.reviews": f"{DISCORD}_approval.py {DISCORD}_approval_trouble.py {DISCORD}_reports.py"
        f" {DISCORD}_batch_moderated.py {DISCORD}_others.py {DISCORD}_delete_everywhere.py"
        f" {DISCORD}_deleted_copies.py {DISCORD}_moderated_elsewhere.py",
        "runs": f"{DISCORD}_runs.py {DISCORD}_queue.py {DISCORD}_usage.py {DISCORD}_cancel.py"
        f" {DISCORD}_help.py {DISCORD}_undelivered.py {DISCORD}_others.py {DISCORD}_details.py",
        "moderation.server_settings": f"{DISCORD}_settings.py {DISCORD}_settings_refused.py",
        "sharing": f"{SERVICES}_sharing.py {DISCORD}_shares.py",
        "words": f"{SERVICES}_word_filter.py {DISCORD}_automod.py {DISCORD}_text.py",
    },
}
SAMPLED = Scope(files=tuple(f"bot/{package}/*.py" for package in TESTS), tests=("tests/unit",))
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
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout to measure")
    parser.add_argument("--not", dest="without", action="append", default=[], help="a test to leave out")
    given = parser.parse_args()
    scope = CORE if given.scope == "core" else SAMPLED
    with copied(given.root, scope, given.without) as copy:
        if given.scope == "core":
            results = run_all(copy, given.jobs)
        else:
            generate(copy)
            names = sorted(exit_codes(copy))
            chosen = random.Random(given.seed).sample(names, min(given.count, len(names)))
            results = run_chosen(copy, chosen, given.jobs)
        return report(copy, given.scope, results)


@contextlib.contextmanager
def copied(root: Path, scope: Scope, without: Sequence[str]) -> Iterator[Path]:
    """Yield a copy of the files that git tracks or would track, with mutmut configured in it."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder)
        copy_working_tree(root, copy)
        left_out = [f"--ignore={each}" for each in NOT_IN_A_COPY] + [f"--deselect={each}" for each in without]
        configuration = {
            "source_paths": ["bot"],
            "only_mutate": list(scope.files),
            "do_not_mutate": ["bot/database/migrations/*"],
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


def run_chosen(copy: Path, names: Iterable[str], jobs: int) -> dict[str, int]:
    """Test each of these mutants in a separate process. Print each result, and return all of them by name."""
    if code := run_one(copy, "", ["tests/unit/comfydeploy/test_webhook_urls.py"]):
        sys.exit(f"pytest fails without a mutant, too (exit code {code})")

    def judge(name: str) -> tuple[str, int]:
        code = run_one(copy, name, tests_for(name))
        sys.stdout.write(f"{'survived' if code == SURVIVED else 'killed'} ({code}) {name}\n")
        sys.stdout.flush()
        return name, code

    with ThreadPoolExecutor(jobs) as pool:
        return dict(pool.map(judge, names))


def tests_for(name: str) -> list[str]:
    """Return the tests of a mutant's module."""
    package, _, module = name.split(".x", maxsplit=1)[0].removeprefix("bot.").partition(".")
    tests = TESTS[package][module or "__init__"]
    return [f"tests/{test}" for test in tests.split()]


def run_one(copy: Path, name: str, tests: Sequence[str]) -> int:
    """Run tests with the mutant `name`, or without a mutant if it is empty, and return pytest's exit code.

    A mutant whose tests take too long counts as killed, as in mutmut.
    """
    options = ["-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "addopts=", "-m", "not slow"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = os.environ | {"MUTANT_UNDER_TEST": name}
    try:
        ran = subprocess.run(
            command, cwd=copy / "mutants", env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return KILLED
    if ran.returncode in (4, 5):
        sys.exit(f"{name}: {' '.join(tests)} can't be run: {ran.stdout.decode()[-2000:]}")
    return ran.returncode


def exit_codes(copy: Path) -> dict[str, int]:
    """Return mutmut's result for every mutant that it made."""
    found: dict[str, int] = {}
    for meta in (copy / "mutants" / "bot").rglob("*.meta"):
        found |= json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def report(copy: Path, scope: str, results: dict[str, int]) -> int:
    """Print the survivors with their changes, and the share that was killed. Return the exit code."""
    equivalent = equivalent_mutants()
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


def equivalent_mutants() -> list[dict[str, str]]:
    found: list[dict[str, str]] = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    return found


def lines_of(change: str) -> set[str]:
    """Return the changed lines without their indentation."""
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
