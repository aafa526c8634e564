"""Fetch a file with plain aiohttp and print the seconds: `python -m tests.bench.bare_fetch URL TIMES`."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp


async def main() -> None:
    url, times = sys.argv[1], int(sys.argv[2])
    seconds = []
    async with aiohttp.ClientSession() as session:
        for _ in range(times):
            began = time.perf_counter()
            async with session.get(url) as response:
                response.raise_for_status()
                await response.read()
            seconds.append(time.perf_counter() - began)
    sys.stdout.write(json.dumps(seconds) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
