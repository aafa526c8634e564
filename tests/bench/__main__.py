"""Run sections of the benchmark and print their figures: `python -m tests.bench [SECTION…]`."""

from __future__ import annotations

import asyncio
import os
import sys

from tests.bench import delivery, requests

SECTIONS = {"requests": requests.measure, "delivery": delivery.measure, "hourly": requests.hourly}


async def main() -> None:
    for name in sys.argv[1:] or SECTIONS:
        say(f"{name} ({os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}) …")
        for figure in await SECTIONS[name]():
            say(f"{name}: {figure}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
