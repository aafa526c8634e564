"""Print the demo's events: Discord's gateway events, calls to ComfyDeploy, webhooks, and the bot's log."""

from __future__ import annotations

import io
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

from bot.config.logs import setup_logging
from demo import event_text
from demo.fake_comfydeploy.call_log import CallLog
from demo.world import World, repeating

_LOOK = 0.05
Line = tuple[float, str, str]


class _Log(io.StringIO):
    """A stream that takes the bot's log with LOG_FORMAT=json. `lines` are those that aren't printed yet."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[dict[str, Any]] = deque()

    def write(self, text: str, /) -> int:
        self.lines.extend(map(json.loads, text.splitlines()))
        return len(text)


class Narrator:
    """Prints a line with time, source and text for each event, and captures the log.

    `lines` are all printed lines; `errors` are those that the bot logged, with their tracebacks.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._began = time.time()
        self._events: deque[tuple[float, str, dict[str, Any]]] = deque()
        self._log = _Log()
        setup_logging("INFO", "json", stream=self._log)

    def say(self, line: str = "") -> None:
        self.lines.append(line)
        print(line, flush=True)

    def hear(self, world: World, event: str, payload: Any) -> None:
        """Receive a gateway event, as Discord sends it to the bot."""
        if event == "MESSAGE_CREATE":
            payload = {**payload, "pinged": world.pinged(int(payload["channel_id"]), int(payload["id"]))}
        if isinstance(payload, dict):
            self._events.append((time.time(), event, payload))

    def catch_up(self, world: World) -> None:
        """Print everything that happened since the last call, in order."""
        names = event_text.names(world)
        seen = [*self._heard(names), *_called(world.comfydeploy.call_log), *self._logged(names)]
        for at, who, what in sorted(seen, key=lambda line: line[0]):
            self.say(f"{max(at - self._began, 0):6.2f} s  {who:<11}  {what}")

    def _heard(self, names: event_text.Names) -> Iterator[Line]:
        while self._events:
            at, event, payload = self._events.popleft()
            if what := event_text.of_event(event, payload, names):
                yield at, "Discord", what

    def _logged(self, names: event_text.Names) -> Iterator[Line]:
        while self._log.lines:
            line = self._log.lines.popleft()
            if line["level"] in ("ERROR", "CRITICAL"):
                self.errors.append(f"{line['logger']}: {line['message']} {line.get('exc_info', '')}".strip())
            if line["logger"].startswith(("bot", "cogs")) or line["level"] not in ("DEBUG", "INFO"):
                at = datetime.fromisoformat(line["timestamp"]).timestamp()
                yield at, "bot", event_text.of_log(line, names)


def _called(log: CallLog) -> Iterator[Line]:
    """Take the finished calls out of the fake's log, which nothing else reads in the demo."""
    while log.queue_calls and log.queue_calls[0].status is not None:
        call = log.queue_calls.popleft()
        yield call.at, "ComfyDeploy", event_text.of_queue_call(call)
    while log.webhook_attempts:
        attempt = log.webhook_attempts.popleft()
        yield attempt.at, "webhook", event_text.of_webhook(attempt)
    while log.cancel_calls:
        cancel = log.cancel_calls.popleft()
        yield cancel.at, "ComfyDeploy", f"cancel call for run {cancel.run_id[:8]} -> {cancel.status}"


@asynccontextmanager
async def narrating(narrator: Narrator, world: World) -> AsyncIterator[None]:
    """Print events inside the block, and at its end those that aren't printed yet."""

    async def follow() -> None:
        narrator.catch_up(world)

    hear = partial(narrator.hear, world)
    world.env.backend.subscribers.append(hear)
    try:
        async with repeating(_LOOK, follow):
            yield
    finally:
        narrator.catch_up(world)
        world.env.backend.subscribers.remove(hear)
