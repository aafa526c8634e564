"""Run `python -m tests.scale --runs N [--seed S]`; exit code 1 if anything was lost or done twice."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.scale.run import scale


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--webs", type=int, default=2)
    parser.add_argument("--messengers", type=int, default=3)
    parser.add_argument("--kills", type=int, help="most kills; 0 measures the throughput without them")
    parser.add_argument("--rolling", action="store_true", help="replace each process once, and kill none")
    parser.add_argument("--logs", type=Path, help="folder in which to keep the processes' logs")
    given = vars(parser.parse_args())
    given["most_kills"], logs = given.pop("kills"), given.pop("logs")
    with tempfile.TemporaryDirectory(prefix="scale-") as passing:
        folder = logs or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        result = asyncio.run(scale(folder, **given, say=_say))
    rate = result.runs / result.seconds
    _say(f"{given['webs']} webs, {given['messengers']} messengers: {rate:.2f} runs a second")
    _say(result.line)
    return 1 if result.invariants.broken else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
