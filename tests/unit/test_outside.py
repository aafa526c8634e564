"""The threads of `Outside`: as many as asked for, in order, and never in the way of an exit."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from datetime import timedelta

import pytest

from bot.outside import DaemonThreads, Outside


@pytest.fixture
def go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_one_thread_runs_functions_in_order(go: threading.Event) -> None:
    threads, done = DaemonThreads("one", 1), list[int]()
    threads.submit(go.wait)
    last = [threads.submit(done.append, number) for number in range(100)][-1]
    assert done == []
    go.set()
    last.result(60)
    assert done == list(range(100))
    threads.shutdown()


def test_no_more_threads_are_started_than_asked_for(go: threading.Event) -> None:
    threads, names, all_begun = DaemonThreads("many", 3), list[str](), threading.Barrier(4)

    def meet() -> None:
        names.append(threading.current_thread().name)
        all_begun.wait(60)
        go.wait(60)

    running = [threads.submit(meet) for _ in range(3)]
    all_begun.wait(60)
    waiting = [threads.submit(names.append, "later") for _ in range(20)]
    assert sorted(names) == ["many_0", "many_1", "many_2"]
    go.set()
    for each in (*running, *waiting):
        each.result(60)
    assert len(names) == 23
    threads.shutdown()


def test_the_caller_gets_the_error_and_the_thread_goes_on() -> None:
    threads = DaemonThreads("one", 1)
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(60)
    with pytest.raises(SystemExit):
        threads.submit(sys.exit).result(60)
    assert threads.submit(lambda: "still here").result(60) == "still here"
    threads.shutdown()


def test_a_shutdown_runs_or_cancels_what_waits(go: threading.Event) -> None:
    patient, hasty = DaemonThreads("patient", 1), DaemonThreads("hasty", 1)
    waiting = []
    for threads in (patient, hasty):
        threads.submit(go.wait)
        waiting.append(threads.submit(lambda: "run"))
    patient.shutdown(wait=False)
    hasty.shutdown(wait=False, cancel_futures=True)
    for threads in (patient, hasty):
        with pytest.raises(RuntimeError):
            threads.submit(print)
    go.set()
    assert waiting[0].result(60) == "run"
    with pytest.raises(CancelledError):
        waiting[1].result(60)
    patient.shutdown()
    hasty.shutdown()


HANGS = """
import threading
from bot.outside import Outside
begun = threading.Event()
Outside().executor("hangs", 1).submit(lambda: (begun.set(), threading.Event().wait()))
begun.wait()
print("end")
"""


def test_a_function_that_hangs_does_not_keep_the_process_from_exiting() -> None:
    """A statement on a network's database file may never return, and a stop must not wait for it."""
    ended = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "end\n"


async def test_the_defaults_are_the_machines() -> None:
    outside = Outside()
    assert outside.now().utcoffset() == timedelta()
    assert outside.monotonic() <= outside.monotonic()
    assert re.fullmatch("[0-9a-f]{64}", outside.random.randbytes(32).hex())
    assert outside.random.randbytes(32) != Outside().random.randbytes(32)
    threads = outside.executor("files", 2)
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(threads, threading.current_thread) is not threading.current_thread()
    threads.shutdown()
