"""Run the bot with random faults: `python -m tests.chaos --rounds N --seed S [--database DATABASE]`.

DATABASE is `sqlite`, `postgres` (a temporary server) or a `postgresql://` URL. The exit code is 1 if an
invariant was violated.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.chaos.run import chaos


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", dest="kind", default="sqlite")
    parser.add_argument("--several", action="store_true", help="run a process for each role, on PostgreSQL")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        return not asyncio.run(chaos(Path(folder), **vars(given), say=partial(print, flush=True)))


if __name__ == "__main__":
    sys.exit(main())
