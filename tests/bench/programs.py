"""The other processes of a benchmark: `python -m tests.bench.programs NAME [ARGUMENT…]`.

Each prints a line of JSON. `imports` prints the MiB of a process that only imports the libraries. `web`
serves the simplest handler that parses JSON, and prints its port.

`hammer PORT SECONDS PAUSE` sends requests to a local server. Standard input is a JSON list of lanes. Each
lane is a list of raw requests, which are sent one after the other over one connection: once if SECONDS is 0,
otherwise repeatedly. PAUSE is the time between two requests of a lane; 0 means as fast as the server answers.
It uses no client library, so that the server is the bottleneck.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import sys
import time
from collections import Counter
from typing import Any

import psutil


def _say(found: Any) -> None:
    sys.stdout.write(f"{json.dumps(found)}\n")
    sys.stdout.flush()


async def imports() -> None:
    for name in ("discord.ext.commands", "aiohttp.web", "sqlalchemy"):
        importlib.import_module(name)
    _say(psutil.Process().memory_info().rss / 1024 / 1024)


async def web() -> None:
    from aiohttp.web import Application, AppRunner, Request, Response, TCPSite  # noqa: PLC0415

    async def receive(request: Request) -> Response:
        await request.json()
        return Response(status=204)

    app = Application()
    app.router.add_post("/hook", receive)
    runner = AppRunner(app, access_log=None)
    await runner.setup()
    await TCPSite(runner, "127.0.0.1", 0).start()
    _say(runner.addresses[0][1])
    await asyncio.Event().wait()


async def hammer(port: str, seconds: str, pause: str) -> None:
    statuses: Counter[str] = Counter()
    taken: list[float] = []
    began = time.perf_counter()
    until = began + float(seconds) if float(seconds) else 0.0

    async def send(requests: list[str]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        # Spread the connections, because machines don't report at the same instant.
        due = time.perf_counter() + random.uniform(0, float(pause))
        while requests:
            for content in requests:
                if until and time.perf_counter() >= until:
                    return
                due += float(pause)
                if float(pause):
                    await asyncio.sleep(max(due - time.perf_counter(), 0))
                sent = time.perf_counter()
                writer.write(content.encode())
                statuses[await _status(reader)] += 1
                taken.append(time.perf_counter() - sent)
            if not until:
                return

    await asyncio.gather(*map(send, json.load(sys.stdin)))
    _say({"wall": time.perf_counter() - began, "statuses": statuses, "seconds": taken})


async def _status(reader: asyncio.StreamReader) -> str:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            await reader.readexactly(int(line.split(b":")[1]))
    return head[9:12].decode()


if __name__ == "__main__":
    programs = {program.__name__: program for program in (imports, web, hammer)}
    asyncio.run(programs[sys.argv[1]](*sys.argv[2:]))
