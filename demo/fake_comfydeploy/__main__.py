"""Run the fake ComfyDeploy as a process. It prints a line of JSON with its URLs, and ends on SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal

from demo.fake_comfydeploy.faults import CHAOS, Chaos
from demo.fake_comfydeploy.server import API_KEY, FakeComfyDeploy, serve_until


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo.fake_comfydeploy", description="A local fake ComfyDeploy"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--pace", type=float, default=0.7, help="seconds of each step of a run")
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument("--private-bucket", action="store_true", help="output URLs are signed for an hour")
    parser.add_argument("--chaos", type=float, default=0.0, help="probability of each fault of a chaos run")
    parser.add_argument("--seed", type=int, default=0, help="of the chaos run")
    return parser.parse_args(arguments)


def announce(comfydeploy: FakeComfyDeploy) -> None:
    print(
        json.dumps({"url": comfydeploy.url, "root": comfydeploy.root, "api_key": comfydeploy.api_key}),
        flush=True,
    )


async def main(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    chaos = Chaos(dict.fromkeys(CHAOS, options.chaos), options.seed) if options.chaos else None
    comfydeploy = FakeComfyDeploy(
        pace=options.pace,
        host=options.host,
        port=options.port,
        api_key=options.api_key,
        private_bucket=options.private_bucket,
        chaos=chaos,
    )
    await serve_until(stop, comfydeploy, announce)


if __name__ == "__main__":
    asyncio.run(main(parse()))
