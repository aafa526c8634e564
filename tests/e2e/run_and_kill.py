"""Run the bot so that it dies by SIGKILL at a chosen step, or with a clock of its own. Production code has no
hook for this.

    python -m tests.e2e.run_and_kill [POINT] [--ahead SECONDS] [--speed N --epoch TIME] [--jumps FILE]
                                 [--bot ARGUMENT…]

A point is `module:Class.method:before|after|got:n`: the nth call of that method kills the process before it
does anything, or when it has done everything but return; `got` counts only calls that found something.
"""

from __future__ import annotations

import argparse
import importlib
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

from tests.e2e.fast_clock import Jumps, quick_clock, quicken, set_clock


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    module, path, when, nth = point.split(":")
    owner, method = path.split(".")
    target = getattr(importlib.import_module(module), owner)
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
    if given.ahead or given.speed != 1:
        jumps = Jumps(given.jumps) if given.jumps else lambda: 0.0
        set_clock(quick_clock(given.epoch, given.speed, given.ahead, jumps))
    if given.speed != 1:
        quicken(given.speed)
    sys.argv = ["bot", *given.bot]
    runpy.run_module("bot", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
