"""What the bot takes from the machine: time, randomness and threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue
from random import Random, SystemRandom
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """Runs functions in up to `most` threads, which are started when they are needed.

    Unlike those of a ThreadPoolExecutor, the threads are daemons: a function that hangs, such as a statement
    on a database file of a network that is gone, doesn't keep the process from exiting.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._lock = threading.Lock()
        self._queue: SimpleQueue[tuple[Future[object], Callable[[], object]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the threads of {self._name} were told to end")
            # A future of T is read only by its caller, as one of T.
            self._queue.put((future, partial(fn, *args, **kwargs)))  # type: ignore[arg-type]
            self._unfinished += 1
            if len(self._threads) < min(self._unfinished, self._most):
                name = f"{self._name}_{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
                self._threads[-1].start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end after the waiting functions, or without them if `cancel_futures`."""
        with self._lock:
            self._closed = True
            if cancel_futures:
                self._cancel_waiting()
            for _ in self._threads:
                self._queue.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _cancel_waiting(self) -> None:
        while True:
            try:
                work = self._queue.get_nowait()
            except Empty:
                return
            if work is not None:
                work[0].cancel()

    def _work(self) -> None:
        for future, function in iter(self._queue.get, None):
            _run(future, function)
            # An idle thread must not keep the result in memory.
            del future, function
            with self._lock:
                self._unfinished -= 1


def _run(future: Future[object], function: Callable[[], object]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Outside:
    """What the bot takes from the machine. The defaults are those of production.

    `now` returns an aware time in UTC, and `monotonic` seconds that never go back. `random` draws keys,
    tokens, secrets, seeds and pauses. Its default is the operating system's generator, which is safe for
    secrets. `executor` starts threads with a name, at most as many as its second argument says; the caller
    shuts it down.
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    random: Random = field(default_factory=SystemRandom)
    executor: Callable[[str, int], Executor] = DaemonThreads
