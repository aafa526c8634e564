"""Serve a plain aiohttp handler that parses JSON, and print its port: `python -m tests.bench.bare_web`."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web


async def receive(request: web.Request) -> web.Response:
    await request.json()
    return web.Response(status=204)


async def main() -> None:
    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
