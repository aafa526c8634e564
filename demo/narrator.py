"""Print the demo's events: Discord's gateway events, calls to ComfyDeploy, webhooks, and the bot's log."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from bot.config.logs import setup_logging
from demo import event_text
from demo.world import World

_LOOK = 0.05


class LogCapture(io.StringIO):
    """Captures the bot's log with LOG_FORMAT=json.

    `lines` are those that aren't printed yet; `faults` are all errors so far, with their tracebacks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[dict[str, Any]] = deque()
        self.faults: list[str] = []

    def write(self, text: str, /) -> int:
        for line in map(json.loads, text.splitlines()):
            self.lines.append(line)
            if line["level"] in ("ERROR", "CRITICAL"):
                self.faults.append(f"{line['logger']}: {line['message']} {line.get('exc_info', '')}".strip())
        return len(text)


@contextmanager
def capturing_logs() -> Iterator[LogCapture]:
    """Capture every log line inside the block instead of printing it."""
    capture = LogCapture()
    setup_logging("INFO", "json", stream=capture)
    try:
        yield capture
    finally:
        logging.getLogger().handlers.clear()


class Narrator:
    """Prints a line with time, source and text for each event.

    `lines` are all printed lines; `errors` are those that the bot logged.
    """

    def __init__(self, capture: LogCapture, tell: Callable[[str], None]) -> None:
        self.lines: list[str] = []
        self.errors = capture.faults
        self._capture = capture
        self._tell = tell
        self._began = time.time()
        self._events: deque[tuple[float, str, dict[str, Any]]] = deque()
        self._told = {"queue": 0, "webhook": 0, "cancel": 0}

    def say(self, line: str = "") -> None:
        self.lines.append(line)
        self._tell(line)

    def hear(self, world: World, event: str, payload: Any) -> None:
        """Receive a gateway event, as Discord sends it to the bot."""
        if event == "MESSAGE_CREATE":
            payload = {**payload, "pinged": world.pinged(int(payload["channel_id"]), int(payload["id"]))}
        if isinstance(payload, dict):
            self._events.append((time.time(), event, payload))

    def catch_up(self, world: World) -> None:
        """Print everything that happened since the last call, in order."""
        seen = [*self._heard(world), *self._called(world), *self._logged(world)]
        for at, who, what in sorted(seen, key=lambda line: line[0]):
            self.say(f"{max(at - self._began, 0):6.2f} s  {who:<11}  {what}")

    def _heard(self, world: World) -> Iterator[event_text.Line]:
        names = event_text.names(world)
        while self._events:
            at, event, payload = self._events.popleft()
            if what := event_text.of_event(event, payload, names):
                yield at, "Discord", what

    def _called(self, world: World) -> Iterator[event_text.Line]:
        log, told = world.comfydeploy.call_log, self._told
        for call in islice(log.queue_calls, told["queue"], None):
            if call.status is None:
                break
            told["queue"] += 1
            yield call.at, "ComfyDeploy", event_text.of_queue_call(call)
        for attempt in islice(log.webhook_attempts, told["webhook"], None):
            told["webhook"] += 1
            yield attempt.at, "webhook", event_text.of_webhook(attempt)
        for cancel in islice(log.cancel_calls, told["cancel"], None):
            told["cancel"] += 1
            yield cancel.at, "ComfyDeploy", f"cancel call for run {cancel.run_id[:8]} -> {cancel.status}"

    def _logged(self, world: World) -> Iterator[event_text.Line]:
        names = event_text.names(world)
        while self._capture.lines:
            line = self._capture.lines.popleft()
            if line["logger"].startswith(("bot", "cogs")) or line["level"] not in ("DEBUG", "INFO"):
                at = datetime.fromisoformat(line["timestamp"]).timestamp()
                yield at, "bot", event_text.of_log(line, names)


@asynccontextmanager
async def narrating(narrator: Narrator, world: World) -> AsyncIterator[None]:
    """Print events inside the block, and at its end those that aren't printed yet."""

    async def follow() -> None:
        while True:
            await asyncio.sleep(_LOOK)
            narrator.catch_up(world)

    hear = partial(narrator.hear, world)
    world.env.backend.subscribers.append(hear)
    teller = asyncio.create_task(follow(), name="story")
    try:
        yield
    finally:
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)
        narrator.catch_up(world)
        world.env.backend.subscribers.remove(hear)
