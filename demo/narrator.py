"""Print the demo's events in the terminal: Discord's gateway events, calls to the fake ComfyDeploy and its
webhooks, new rows in the store, and lines of the bot's log.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from typing import Any

from demo import event_text
from demo.log_capture import LogCapture, LogLine
from demo.world import World

_LOOK = 0.05


class Narrator:
    """Prints a transcript with a line of `seconds, source, event` for each event.

    `lines` holds the lines printed so far.
    """

    def __init__(self, capture: LogCapture, tell: Callable[[str], None]) -> None:
        self.lines: list[str] = []
        self._capture = capture
        self._tell = tell
        self._began = time.time()
        self._events: deque[tuple[float, str, dict[str, Any]]] = deque()
        self._keys: set[str] = set()
        self._told = {"queue": 0, "webhook": 0, "cancel": 0}

    @property
    def errors(self) -> list[str]:
        """Return the errors that the bot logged."""
        return self._capture.faults

    def say(self, line: str = "") -> None:
        self.lines.append(line)
        self._tell(line)

    def hear(self, world: World, event: str, payload: Any) -> None:
        """Receive an event of the gateway as Discord sends it to the bot."""
        if event == "MESSAGE_CREATE":
            payload = {**payload, "pinged": world.pinged(payload)}
        if isinstance(payload, dict):
            self._events.append((time.time(), event, payload))

    async def follow(self, world: World) -> None:
        """Print events until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            await self.catch_up(world)

    async def catch_up(self, world: World) -> None:
        """Print everything that happened since the last call, in order."""
        names = event_text.names(world)
        logged = list(self._logged())
        stored = [line async for line in self._stored(world, {line.key for line in logged if line.key})]
        spoken = [(line.at, "bot", event_text.of_log(line, names)) for line in logged]
        seen = [*self._heard(names), *self._called(world), *stored, *spoken]
        for at, who, what in sorted(seen, key=lambda line: line[0]):
            self.say(f"{max(at - self._began, 0):6.2f} s  {who:<11}  {what}")

    def _heard(self, names: event_text.Names) -> Iterator[event_text.Line]:
        while self._events:
            at, event, payload = self._events.popleft()
            if what := event_text.of_event(event, payload, names):
                yield at, "Discord", what

    def _called(self, world: World) -> Iterator[event_text.Line]:
        call_log = world.comfydeploy.call_log
        for call in islice(call_log.queue_calls, self._told["queue"], None):
            if call.status is None:
                break
            self._told["queue"] += 1
            yield call.at, "ComfyDeploy", event_text.of_queue_call(call)
        for attempt in islice(call_log.webhook_attempts, self._told["webhook"], None):
            self._told["webhook"] += 1
            yield attempt.at, "webhook", event_text.of_webhook(attempt)
        for cancel in islice(call_log.cancel_calls, self._told["cancel"], None):
            self._told["cancel"] += 1
            yield cancel.at, "ComfyDeploy", f"cancel call for run {cancel.run_id[:8]} -> {cancel.status}"

    def _logged(self) -> Iterator[LogLine]:
        while self._capture.lines:
            line = self._capture.lines.popleft()
            if line.logger.startswith(("bot", "cogs")) or line.level not in ("DEBUG", "INFO"):
                yield line

    async def _stored(self, world: World, keys: set[str]) -> AsyncIterator[event_text.Line]:
        """Yield a line for each run in `keys` that was not reported before, dated with the run's request."""
        for key in keys - self._keys:
            if run := await world.app.app.store.runs.get(key):
                self._keys.add(key)
                yield run.created_at.timestamp(), "store", event_text.of_row(run)


@asynccontextmanager
async def narrating(narrator: Narrator, world: World) -> AsyncIterator[None]:
    """Print events while the block runs, and those that are still unprinted at its end."""
    hear = partial(narrator.hear, world)
    world.env.backend.subscribers.append(hear)
    teller = asyncio.create_task(narrator.follow(world), name="story")
    try:
        yield
    finally:
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)
        await narrator.catch_up(world)
        world.env.backend.subscribers.remove(hear)
