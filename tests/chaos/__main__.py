"""Run the bot with random faults: `python -m tests.chaos --rounds N --seed S [--database DATABASE]`.

DATABASE is `sqlite`, `postgres` (a temporary server) or a `postgresql://` URL. The exit code is 1 if an
invariant was violated.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.invariants import UNSEEABLE
from tests.chaos.run import chaos


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="sqlite")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        result = asyncio.run(chaos(Path(folder), given.rounds, given.seed, given.database, say=_say))
    _say(
        f"{result.invariants.requests} requests in {time.monotonic() - began:.0f} s, seed {given.seed}; "
        f"{result.invariants.counts(UNSEEABLE)} (doubled by an unconfirmed post in a channel that closed); "
        f"{result.failed_starts} starts failed because a service was unavailable"
    )
    _say(f"ended as: {result.ends}")
    _say(result.line)
    return 1 if result.invariants.broken else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
