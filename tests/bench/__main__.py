"""Run sections of the benchmark and print a table: `python -m tests.bench [SECTION…] [--runs N]`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from tests.bench import channels, delivery, memory, requests
from tests.bench.figures import Figure, table

SECTIONS: dict[str, Callable[[argparse.Namespace], Awaitable[list[Figure]]]] = {
    "requests": requests.measure,
    "delivery": delivery.measure,
    "channels": channels.measure,
    "memory": memory.measure,
}


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure speed and memory.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; default: all")
    parser.add_argument("--runs", type=int, default=200, help="runs that `memory` plays after the first 200")
    options = parser.parse_args()
    if unknown := set(options.sections) - SECTIONS.keys():
        parser.error(f"no section is called {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    figures: list[Figure] = []
    for name in options.sections or SECTIONS:
        say(f"{name} ({os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}) …")
        figures += await SECTIONS[name](options)
    say("")
    say(table(figures))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
