"""The simulation's command line: play rounds from a seed, replay a failed round, and shorten its steps."""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation import idle
from tests.simulation import steps as actions
from tests.simulation.drawing import draw
from tests.simulation.rounds import Result, play_round
from tests.simulation.setup import DATABASES, Database
from tests.simulation.steps import Step, shorten
from tools.planted_faults import promise_in

_FASTEST_FOLDER = Path("/dev/shm")  # noqa: S108  # Linux's RAM disk, where syncing a database costs nothing
# Rounds between two lines of progress.
_PROGRESS = 50
# How often the steps of a failed round are replayed, at most, to shorten them.
_REPLAYS = 120
# The largest share of requests that may end in a known gap of docs/reliability.md.
_MOST_GAPS = 0.005


@dataclass
class Total:
    """The totals of many rounds."""

    rounds: int = 0
    requests: int = 0
    kills: int = 0
    faults: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    seconds: float = 0.0
    digest: str = ""

    def add(self, result: Result) -> None:
        self.rounds += 1
        self.requests += result.requests
        self.kills += result.kills
        self.faults += result.faults
        self.gaps.update(result.gaps)
        self.broken += bool(result.broken)
        self.seconds += result.seconds
        lines = "\n".join([self.digest, *result.log])
        self.digest = hashlib.sha256(lines.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return (
            f"rounds={self.rounds} requests={self.requests} kills={self.kills} faults={self.faults} "
            f"gaps={self.gaps.total()} broken={self.broken} digest={self.digest}"
        )


def main(arguments: Sequence[str]) -> int:
    """Return 0 if every promise was kept, otherwise 1."""
    given = _parse(arguments)
    # Python's default handler skips `finally` blocks, which delete databases and stop servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    actions.register_all()
    if given.jobs > 1:
        return _share(given)
    # The garbage collector would run finalizers at unpredictable moments of a round.
    gc.disable()
    with _folder() as folder:
        if given.idle:
            idle.check(folder)
            return 0
        database = DATABASES[given.database](folder / "preparation")
        play = Player(folder, database)
        # The first round must not differ from later ones because it imports modules on first use.
        play("warm-up", [])
        # Imported modules stay for ever, so exclude them from the collection after each round.
        gc.freeze()
        if given.replay is not None:
            return _replay(play, given.replay)
        return _play_many(play, given)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--database", choices=sorted(DATABASES), default="sqlite")
    parser.add_argument("--first", type=int, default=0, help="the number of the first round")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the rounds")
    parser.add_argument("--keep-going", action="store_true", help="play on after a round that fails")
    parser.add_argument(
        "--idle", action="store_true", help="check that an idle bot leaves the database alone"
    )
    parser.add_argument("--replay", type=Path, help="play the steps of this file")
    parser.add_argument(
        "--save", type=Path, default=Path("simulation-failures"), help="folder for failing steps"
    )
    parser.add_argument(
        "--no-shorten", action="store_true", help="don't shorten the steps of a failing round"
    )
    return parser.parse_args(arguments)


class Player:
    """Plays rounds, each in its own folder."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder = folder
        self._database = database
        self._number = 0

    def __call__(self, seed: str, steps: Sequence[Step]) -> Result:
        self._number += 1
        return play_round(seed, steps, self._folder / str(self._number), self._database)


def _play_many(play: Player, given: argparse.Namespace) -> int:
    total = Total()
    for number in range(given.first, given.first + given.rounds):
        seed = f"{given.seed}-{number}"
        steps = draw(seed)
        try:
            result = play(seed, steps)
        except Exception as error:
            raise RuntimeError(f"seed {seed} can't be played: {[*map(str, steps)]}") from error
        total.add(result)
        if total.rounds % _PROGRESS == 0:
            print(f"{given.first + total.rounds}: {total}", file=sys.stderr, flush=True)
        if result.broken:
            _print_round(result)
            _save(play, result, given)
            if not given.keep_going:
                break
    print(total, flush=True)
    for name, count in total.gaps.most_common():
        print(f"known gap, {count} times: {name}", flush=True)
    if total.gaps.total() > _MOST_GAPS * total.requests + 3:
        print(f"{total.gaps.total()} requests of {total.requests} ended in a known gap, which is too many")
        return 1
    return int(total.broken > 0)


def _replay(play: Player, path: Path) -> int:
    result = play(path.stem, actions.load(path))
    _print_round(result)
    total = Total()
    total.add(result)
    print(total)
    return int(bool(result.broken))


def _print_round(result: Result) -> None:
    """Print a round's seed, broken promises, steps and log, and every message that people saw."""
    print(f"seed {result.seed}", *result.broken, sep="\n  ")
    print("steps:", *result.steps, sep="\n  ")
    print("what happened:", *result.log, sep="\n  ")
    print("what people saw:", *result.seen, sep="\n  ", flush=True)


def _save(play: Player, result: Result, given: argparse.Namespace) -> None:
    """Save the steps of a failed round, shortened as far as they still break the same promise."""
    given.save.mkdir(exist_ok=True)
    path = given.save / f"{result.seed}.json"
    steps = list(result.steps)
    if not given.no_shorten:
        steps = shorten(steps, _fails_alike(play, result))
        print("shortened to:", *steps, sep="\n  ")
    actions.save(steps, path)
    more = "" if given.database == "sqlite" else f" --database {given.database}"
    print(f"replay with: python -m tests.simulation --replay {path}{more}", flush=True)


def _fails_alike(play: Player, result: Result) -> Callable[[Sequence[Step]], bool]:
    wanted = {promise_in(broken) for broken in result.broken}
    left = [_REPLAYS]

    def fails(steps: Sequence[Step]) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        return bool(wanted & {promise_in(broken) for broken in play(result.seed, steps).broken})

    return fails


def _share(given: argparse.Namespace) -> int:
    """Split the rounds over several processes."""
    each = -(-given.rounds // given.jobs)
    running = []
    for job in range(given.jobs):
        first = given.first + job * each
        rounds = min(each, given.first + given.rounds - first)
        shared = ("seed", "database", "save")
        own = [
            f"--first={first}",
            f"--rounds={rounds}",
            *(f"--{each}={getattr(given, each)}" for each in shared),
        ]
        flags = ("keep_going", "no_shorten")
        own += [f"--{each.replace('_', '-')}" for each in flags if getattr(given, each)]
        running.append(subprocess.Popen([sys.executable, "-m", "tests.simulation", *own]))  # noqa: S603
    try:
        return max(process.wait() for process in running)
    finally:
        for process in running:
            process.terminate()


@contextmanager
def _folder() -> Iterator[Path]:
    parent = _FASTEST_FOLDER if _FASTEST_FOLDER.is_dir() and os.access(_FASTEST_FOLDER, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=parent))
    # The bot's temporary files go there, too.
    tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
