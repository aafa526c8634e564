"""`python -m tests.e2e.killed POINT`: the bot, dying by SIGKILL at a chosen step.

A point is `module:Class.method:before|after|got:n`: the nth call of that method kills the process before it
does anything, or when it has done everything but return; `got` counts only calls that found something. Production code has no hook for this.
"""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import sys
from typing import Any


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
        if when == "before" and calls == int(nth):
            die()
        result = await original(*args, **kwargs)
        calls += when == "got" and result is not None
        if when != "before" and calls == int(nth):
            die()
        return result

    setattr(target, method, deadly)


def main() -> None:
    arm(sys.argv[1])
    sys.argv = ["bot"]
    runpy.run_module("bot", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
