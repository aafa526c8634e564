"""The simplest programs that do the same as the bot: `python -m tests.bench.baselines NAME [ARGUMENT…]`.

Each prints a line of JSON. `imports` prints the peak MiB of a process that only imports the libraries. `fetch
URL TIMES` prints the seconds of plain fetches. `posts URL TOKEN FILE` posts a picture to the channels that
standard input lists, as fast as discord.py can, and prints the time of the start. `web` serves a handler that
parses JSON, and prints its port.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp


def _say(found: Any) -> None:
    sys.stdout.write(f"{json.dumps(found)}\n")
    sys.stdout.flush()


async def imports() -> None:
    for name in ("discord.ext.commands", "aiohttp.web", "sqlalchemy"):
        importlib.import_module(name)
    # Not getrusage: it counts what the parent had when it forked.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()  # noqa: ASYNC240
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    _say(int(peak) / 1024)


async def fetch(url: str, times: str) -> None:
    seconds = []
    async with aiohttp.ClientSession() as session:
        for _ in range(int(times)):
            began = time.perf_counter()
            async with session.get(url) as response:
                response.raise_for_status()
                await response.read()
            seconds.append(time.perf_counter() - began)
    _say(seconds)


async def posts(url: str, token: str, file: str) -> None:
    import discord  # noqa: PLC0415  # `imports` measures it

    from tests.fakediscord.patch import point_discord_at  # noqa: PLC0415

    point_discord_at(url)

    async def post(channel_id: int) -> None:
        channel = client.get_partial_messageable(channel_id)
        while True:
            try:
                await channel.send(file=discord.File(file))
            except discord.HTTPException as error:
                # After five 429s in a row, discord.py gives up.
                if error.status != 429:
                    raise
            else:
                return

    async with discord.Client(intents=discord.Intents(guilds=True)) as client:
        await client.login(token)
        began = time.perf_counter()
        await asyncio.gather(*map(post, json.load(sys.stdin)))
    _say(began)


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


if __name__ == "__main__":
    programs = {"imports": imports, "fetch": fetch, "posts": posts, "web": web}
    asyncio.run(programs[sys.argv[1]](*sys.argv[2:]))  # type: ignore[operator]
