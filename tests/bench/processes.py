"""Start the other processes of a benchmark: the load generator and the baselines."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psutil

from tests.e2e.bot_process import PROJECT

PATIENCE = 600.0


async def run_module(module: str, *arguments: object, text: str = "") -> Any:
    """Run a module with `text` as standard input, and return the JSON that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *map(str, arguments),
        cwd=PROJECT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await asyncio.wait_for(process.communicate(text.encode()), PATIENCE)
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}")
    return json.loads(printed)


def lanes(requests: Sequence[str], count: int) -> list[Sequence[str]]:
    """Deal the requests out to `count` lanes.

    If runs take turns and their number is a multiple of `count`, each run's requests stay in one lane.
    """
    return [requests[start::count] for start in range(count)]


async def hammer(
    port: int, requests: Sequence[Sequence[str]], *, seconds: float = 0, pause: float = 0
) -> dict[str, Any]:
    """Run `tests.bench.hammer`. Raises RuntimeError for any answer other than a 2xx."""
    text = json.dumps([list(lane) for lane in requests])
    found: dict[str, Any] = await run_module("tests.bench.hammer", port, seconds, pause, text=text)
    refused = {status: count for status, count in found["statuses"].items() if not status.startswith("2")}
    if refused:
        raise RuntimeError(f"the server refused: {refused}")
    return found


def busy(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def rate_of(found: dict[str, Any]) -> float:
    return float(found["count"] / found["wall"])


@asynccontextmanager
async def bare_server() -> AsyncIterator[tuple[int, int]]:
    """Start the baseline `web`; yield its port and process id."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.baselines", "web"), cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline()), process.pid
    finally:
        process.kill()
        await process.wait()
