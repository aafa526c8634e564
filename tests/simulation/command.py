"""The simulation's command line: play rounds from a seed, replay a failed round, and shorten its steps."""

from __future__ import annotations

import argparse
import gc
import hashlib
import itertools
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.simulation import steps as actions
from tests.simulation.drawing import draw
from tests.simulation.rounds import Result, play_round
from tests.simulation.setup import DATABASES, fast_folder
from tests.simulation.steps import Step, shorten
from tools.planted_faults import promise_in

# Rounds between two lines of progress.
_PROGRESS = 50
# The largest share of requests that may end in a known gap of docs/reliability.md.
_MOST_GAPS = 0.005

Play = Callable[[str, Sequence[Step]], Result]
"""Plays the steps of a round with its seed, each time in a new folder."""


class Total(Counter[str]):
    """The totals of many rounds."""

    digest = ""

    def count(self, result: Result) -> None:
        new = {"requests": result.requests, "kills": result.kills, "faults": result.faults}
        self.update(rounds=1, **new, gaps=len(result.gaps), broken=bool(result.broken))
        self.digest = hashlib.sha256("\n".join([self.digest, *result.log]).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return " ".join([*(f"{name}={value}" for name, value in self.items()), f"digest={self.digest}"])


def main(arguments: Sequence[str]) -> int:
    """Return 0 if every promise was kept, otherwise 1."""
    given = _parse(arguments)
    # Python's default handler skips `finally` blocks, which delete databases and stop servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    actions.register_all()
    # The garbage collector would run finalizers at unpredictable moments of a round.
    gc.disable()
    with fast_folder("simulation-") as folder:
        database, numbers = DATABASES[given.database](folder / "preparation"), itertools.count()

        def play(seed: str, steps: Sequence[Step]) -> Result:
            return play_round(seed, steps, folder / str(next(numbers)), database)

        # The first round must not differ from later ones because it imports modules on first use.
        play("warm-up", [])
        # Imported modules stay for ever, so exclude them from the collection after each round.
        gc.freeze()
        if given.replay is not None:
            return _replay(play, given.replay)
        return _play_many(play, given)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    add = parser.add_argument
    add("--seed", default="1")
    add("--rounds", type=int, default=100)
    add("--database", choices=sorted(DATABASES), default="sqlite")
    add("--first", type=int, default=0, help="the number of the first round")
    add("--replay", type=Path, help="play the steps of this file")
    add("--save", type=Path, default=Path("simulation-failures"), help="folder for failing steps")
    add("--no-shorten", action="store_true", help="don't shorten the steps of a failing round")
    return parser.parse_args(arguments)


def _play_many(play: Play, given: argparse.Namespace) -> int:
    total, gaps = Total(), Counter[str]()
    for number in range(given.first, given.first + given.rounds):
        seed = f"{given.seed}-{number}"
        steps = draw(seed)
        try:
            result = play(seed, steps)
        except Exception as error:
            raise RuntimeError(f"seed {seed} can't be played: {[*map(str, steps)]}") from error
        total.count(result)
        gaps.update(result.gaps)
        if total["rounds"] % _PROGRESS == 0:
            print(f"{number + 1}: {total}", file=sys.stderr, flush=True)
        if result.broken:
            _print_round(result)
            _save(play, result, given)
            break
    print(total, flush=True)
    for name, count in gaps.most_common():
        print(f"known gap, {count} times: {name}", flush=True)
    if gaps.total() > _MOST_GAPS * total["requests"] + 3:
        print("too many requests ended in a known gap")
        return 1
    return int(total["broken"] > 0)


def _replay(play: Play, path: Path) -> int:
    total, result = Total(), play(path.stem, actions.load(path))
    total.count(result)
    _print_round(result)
    print(total)
    return int(bool(result.broken))


def _print_round(result: Result) -> None:
    """Print a round's seed, broken promises, steps and log, and every message that people saw."""
    print(f"seed {result.seed}", *result.broken, sep="\n  ")
    print("steps:", *result.steps, sep="\n  ")
    print("what happened:", *result.log, sep="\n  ")
    print("what people saw:", *result.seen, sep="\n  ", flush=True)


def _save(play: Play, result: Result, given: argparse.Namespace) -> None:
    """Save the steps of a failed round, without those that aren't needed to break the same promise."""
    given.save.mkdir(exist_ok=True)
    path, steps = given.save / f"{result.seed}.json", list(result.steps)
    wanted = {*map(promise_in, result.broken)}
    if not given.no_shorten:
        steps = shorten(steps, lambda some: bool(wanted & {*map(promise_in, play(result.seed, some).broken)}))
        print("shortened to:", *steps, sep="\n  ")
    actions.save(steps, path)
    more = "" if given.database == "sqlite" else f" --database {given.database}"
    print(f"replay with: .venv/bin/python -m tests.simulation --replay {path}{more}", flush=True)
