"""Run sections of the benchmark and print a table: `python -m tests.bench [SECTION…] [--runs N]`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from tests.bench import (
    channels,
    delivery,
    lag,
    memory,
    picture_check,
    queue,
    requests,
    rows,
    start,
    webhooks,
)
from tests.bench.figures import Figure, table

SECTIONS: dict[str, Callable[[argparse.Namespace], Awaitable[list[Figure]]]] = {
    "requests": requests.measure,
    "webhooks": webhooks.measure,
    "delivery": delivery.measure,
    "check": picture_check.measure,
    "channels": channels.measure,
    "memory": memory.measure,
    "lag": lag.measure,
    "rows": rows.measure,
    "queue": queue.measure,
    "start": start.measure,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure speed and memory.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; default: all")
    parser.add_argument("--runs", type=int, default=1000, help="runs that `memory` plays")
    parser.add_argument("--rows", type=int, default=100_000, help="rows in each table of `rows` and `start`")
    options = parser.parse_args()
    unknown = set(options.sections) - SECTIONS.keys()
    if unknown:
        parser.error(f"no section is called {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    return options


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def machine() -> str:
    """Return the machine's cores and load, on which the figures depend."""
    if not hasattr(os, "getloadavg"):
        return f"{os.cpu_count()} cores"
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}"


async def main() -> None:
    options = parse()
    figures: list[Figure] = []
    for name in options.sections or SECTIONS:
        say(f"{name} ({machine()}) …")
        figures += await SECTIONS[name](options)
    say("")
    say(table(figures))


if __name__ == "__main__":
    asyncio.run(main())
