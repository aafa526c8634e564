"""Run the bot so that it dies by SIGKILL at a chosen step, or with a clock of its own.

    python -m tests.e2e.run_and_kill [POINT] [--ahead SECONDS] [--speed N --epoch TIME] [--jumps FILE]
                                 [--bot ARGUMENT…]

A point is `module:Class.method:before|after|got:n`, or names a function of a module. Its nth call kills the
process before it does anything, or when it has done everything but return; `got` counts only calls that found
something, and `released` the claims of messages that a call has released.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from bot import cli
from bot.outside import Outside
from tests.e2e.fast_clock import Jumps, quick_clock, quick_loop


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    module, path, when, nth = point.split(":")
    owner, _, method = path.rpartition(".")
    target: Any = importlib.import_module(module)
    target = getattr(target, owner) if owner else target
    original = getattr(target, method)
    calls = 0

    async def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += when != "got"
        mine = calls  # others begin while this one waits
        if when == "before" and mine == int(nth):
            die()
        result = await original(*args, **kwargs)
        if when == "got":
            calls += result is not None
            mine = calls if result is not None else 0
        if when == "released":
            _, released, *_ = args
            calls += len(released) - 1
            mine = int(nth) if calls >= int(nth) else 0
        if when != "before" and mine == int(nth):
            die()
        return result

    setattr(target, method, deadly)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("point", nargs="?")
    parser.add_argument("--ahead", type=float, default=0.0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--epoch", type=float, default=0.0)
    parser.add_argument("--jumps", type=Path, help="a file that `fast_clock.Jumps` writes")
    parser.add_argument("--bot", nargs="*", default=[], help="what `python -m bot` is given")
    given = parser.parse_args()
    if given.point:
        arm(given.point)
    sys.exit(run(given))


def run(given: argparse.Namespace) -> int:
    """Run the bot with the clock that the arguments describe."""
    jumps = Jumps(given.jumps) if given.jumps else lambda: 0.0
    outside = Outside(
        now=quick_clock(given.epoch, given.speed, given.ahead, jumps),
        monotonic=lambda: time.monotonic() * given.speed,
    )
    with asyncio.Runner(loop_factory=lambda: quick_loop(given.speed)) as runner:
        return runner.run(cli.main(given.bot, os.environ, outside))


if __name__ == "__main__":
    main()
