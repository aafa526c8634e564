"""An event loop in virtual time, with a seeded order of task steps and a network in memory."""

from __future__ import annotations

import asyncio
import gc
import heapq
import itertools
import logging
import random
import socket
import sys
import traceback
import warnings
from asyncio import events
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from tests.simulation.engine.life import LIFE, Life, current_life
from tests.simulation.engine.network import LATENCY, Network
from tests.simulation.engine.patches import TIME

if TYPE_CHECKING:
    from tests.simulation.engine.postgres_connections import Traffic

_KEPT = 1000


class Deadlock(Exception):
    """Raised if no callback is ready and no timer is set."""


class SimTask(asyncio.Task[Any]):
    """A task with a stable hash; otherwise the order of sets of tasks would depend on memory addresses."""

    def __init__(
        self, *arguments: Any, serial: int, life: Life | None, context: Context, **more: Any
    ) -> None:
        self.serial = serial
        self.life = life
        self.own_context = context
        super().__init__(*arguments, context=context, **more)

    def __hash__(self) -> int:
        return self.serial


class SimFuture(asyncio.Future[Any]):
    """A future with a stable hash."""

    serial = 0

    def __hash__(self) -> int:
        return self.serial


class SimTimer(events.TimerHandle):
    """A timer that is ordered by its time, then by its serial number."""

    serial: int

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, SimTimer)
        mine, other_when = self._when, other._when  # type: ignore[attr-defined]
        return mine < other_when if mine != other_when else self.serial < other.serial


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: if nothing is ready, it jumps to the next timer.

    If several of the bot's tasks are ready, `chance` decides their order. Callbacks of transports and futures
    keep their order, because libraries rely on it.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.network = Network()
        self.postgres: Traffic | None = None
        """The connections to PostgreSQL; None on SQLite."""
        self.errors: list[str] = []
        self.collecting = False
        self.executor_delay: Callable[[Life, str], float] = lambda _life, _name: 0.0
        self._serials = itertools.count(1)
        self._kept: list[SimTask] = []
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]  # the stub knows no context
        self.set_exception_handler(self._note_error)

    # Time and order.

    def time(self) -> float:
        return TIME.monotonic

    def call_at(  # type: ignore[override]  # its types follow the arguments
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = SimTimer(when, callback, args, self, context)
        timer.serial = next(self._serials)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def call_soon_threadsafe(  # type: ignore[override]  # its types follow the arguments
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        future = SimFuture(loop=self)
        future.serial = next(self._serials)
        return future

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], context: Context | None = None
    ) -> SimTask:
        life = current_life()
        if context is None:
            context = copy_context()
        elif life is not None and LIFE not in context:
            context.run(LIFE.set, life)
        owner = context.get(LIFE)
        task = SimTask(coro, loop=loop, context=context, serial=next(self._serials), life=owner)
        if owner is not None:
            self._keep(task)
        return task

    def _keep(self, task: SimTask) -> None:
        """Keep a reference to a task, so that its coroutine isn't garbage-collected at a random moment."""
        if len(self._kept) > _KEPT:
            self._kept = [kept for kept in self._kept if not kept.done()]
        self._kept.append(task)

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        if not ready:
            self._wait(timers)
        now = TIME.monotonic
        while timers and timers[0]._when <= now:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            ready.append(timer)
        batch = list(ready)
        ready.clear()
        self._shuffle(batch)
        for handle in batch:
            self._run_handle(handle)

    def _wait(self, timers: list[Any]) -> None:
        """Jump to the next timer."""
        if not timers:
            raise Deadlock("nothing is ready or scheduled")
        TIME.monotonic = max(TIME.monotonic, timers[0]._when)

    def _shuffle(self, batch: list[Any]) -> None:
        places = [place for place, handle in enumerate(batch) if _is_step_of_the_bot(handle)]
        if len(places) > 1:
            steps = [batch[place] for place in places]
            self.chance.shuffle(steps)
            for place, step in zip(places, steps, strict=True):
                batch[place] = step

    def _run_handle(self, handle: Any) -> None:
        life = handle._context.get(LIFE)
        if handle._cancelled or (life is not None and life.dead):
            return
        handle._run()

    def jump(self, seconds: float) -> None:
        """Advance all clocks at once, as on a machine that slept; overdue timers run afterwards."""
        TIME.monotonic += seconds

    def _note_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self.collecting:
            error = context.get("exception")
            places = "".join(traceback.format_tb(error.__traceback__)[-9:]) if error is not None else ""
            self.errors.append(f"{context.get('message')}: {error!r} {context.get('task')} {places}")

    def tasks_of(self, life: Life) -> list[SimTask]:
        """Return the unfinished tasks of a process, oldest first."""
        found = [task for task in asyncio.all_tasks(self) if isinstance(task, SimTask)]
        return sorted((task for task in found if task.life is life), key=hash)

    # Threads.

    def run_in_executor(  # type: ignore[override]  # its types follow the arguments
        self, executor: Any, func: Any, *args: Any
    ) -> Any:
        """Call the function immediately in this thread; its result arrives in a later iteration."""
        if executor is not None:
            return asyncio.wrap_future(executor.submit(func, *args), loop=self)
        return asyncio.wrap_future(self.run_inline("default", func, *args), loop=self)

    def run_inline(self, name: str, func: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function that production calls in a thread.

        If the process is dead, or is killed during the call, the returned future never completes.
        """
        life = current_life()
        future: Future[Any] = Future()
        if life is not None and life.dead:
            return future
        try:
            finish: Callable[[], None] = _result(future, func(*args))
        except BaseException as error:
            finish = _error(future, error)
        if life is not None and life.dead:
            return future
        delay = self.executor_delay(life, name) if life is not None else 0.0
        if delay:
            self.call_later(delay, finish)
        else:
            finish()
        return future

    # The network.

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:
        """Resolve IP addresses and localhost. Other names don't exist here."""
        try:
            return socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST, type=socket.SOCK_STREAM)
        except socket.gaierror:
            if host == "localhost":
                return await self.getaddrinfo("127.0.0.1", port)
            raise

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **more: Any
    ) -> Any:
        return self.network.listen(protocol_factory, host or "127.0.0.1", port or 0)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        if current_life() is not None:
            self.network.dialled_hosts[str(address[0])] = None
        await asyncio.sleep(LATENCY)
        self.network.dial(sock.fileno(), address[1])

    async def create_connection(
        self, protocol_factory: Any, *address: Any, sock: Any = None, **more: Any
    ) -> Any:
        if sock is None:
            raise AssertionError(f"a connection that the simulation doesn't know: {address}")
        await asyncio.sleep(LATENCY)
        try:
            return self.network.open(sock.fileno(), protocol_factory)
        finally:
            sock.close()

    # Signals.

    def add_signal_handler(  # type: ignore[override]  # its types follow the arguments
        self, sig: int, callback: Any, *args: Any
    ) -> None:
        life = current_life()
        if life is not None:
            life.signal_handlers[sig] = lambda: callback(*args)

    def remove_signal_handler(self, sig: int) -> bool:
        life = current_life()
        return life is not None and life.signal_handlers.pop(sig, None) is not None

    # The end of a round.

    def bury(self) -> None:
        """Close the coroutines that dead processes and a finished round left, without any effect.

        Closing a coroutine runs its `finally` blocks. The garbage collector would do so at a random moment.
        Here they run in a known order, their callbacks are dropped, and logs and warnings are muted.
        """
        self.collecting = True
        if self.postgres is not None:
            self.postgres.close()
        self._ready.clear()  # type: ignore[attr-defined]
        self._scheduled.clear()  # type: ignore[attr-defined]
        left = sorted(asyncio.all_tasks(self), key=hash)
        with _muted(self):
            for task in left:
                assert isinstance(task, SimTask)
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with suppress(BaseException):
                    task.own_context.run(task.get_coro().close)
            left.clear()
            self._kept.clear()
            self._ready.clear()  # type: ignore[attr-defined]
            gc.collect()
            self._ready.clear()  # type: ignore[attr-defined]
            self._scheduled.clear()  # type: ignore[attr-defined]
            self.close()

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        if not self.collecting:
            super()._asyncgen_finalizer_hook(agen)  # type: ignore[misc]


@contextmanager
def _muted(loop: VirtualLoop) -> Iterator[None]:
    """Pretend that the loop runs, and suppress logs, warnings and unraisable exceptions."""
    hook, level = sys.unraisablehook, logging.root.manager.disable
    sys.unraisablehook = lambda _: None
    logging.disable(logging.CRITICAL)
    events._set_running_loop(loop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        events._set_running_loop(None)
        logging.disable(level)
        sys.unraisablehook = hook


def _is_step_of_the_bot(handle: Any) -> bool:
    owner = getattr(handle._callback, "__self__", None)
    return isinstance(owner, SimTask) and owner.life is not None


def _result(future: Future[Any], value: Any) -> Callable[[], None]:
    return lambda: None if future.cancelled() else future.set_result(value)


def _error(future: Future[Any], error: BaseException) -> Callable[[], None]:
    return lambda: None if future.cancelled() else future.set_exception(error)
