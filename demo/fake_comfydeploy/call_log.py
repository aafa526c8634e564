"""A log of all requests, and of queue calls, cancel calls, reads of run logs, and webhook attempts."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class QueueCall:
    """A queue call. `status` is None until it is answered, and stays None if the connection closes first.

    `run_ids` are the runs that the call started, usually one.
    """

    at: float
    body: Any
    status: int | None = None
    run_ids: list[str] = field(default_factory=list)

    @property
    def webhook(self) -> str | None:
        return self.body.get("webhook") if isinstance(self.body, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelCall:
    at: float
    run_id: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAttempt:
    """An attempt to send a webhook. `answer` is the status code or, without an answer, the error's name."""

    at: float
    run_id: str
    method: str
    url: str
    attempt: int
    event_type: str
    status: str
    progress: float
    outputs: int
    answer: int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request of any kind. `status` is 0 if it has no answer, because the client or the fake went away."""

    at: float
    ended: float
    method: str
    path: str
    status: int


class CallLog:
    """A log of the newest `limit` entries of each kind. Older ones are dropped to bound its memory."""

    def __init__(self, limit: int = 20_000) -> None:
        self.queue_calls: deque[QueueCall] = deque(maxlen=limit)
        self.cancel_calls: deque[CancelCall] = deque(maxlen=limit)
        self.webhook_attempts: deque[WebhookAttempt] = deque(maxlen=limit)
        self.logs_read: deque[str] = deque(maxlen=limit)  # run ids
        self.answered: deque[Answered] = deque(maxlen=limit)  # those during an outage, too

    def calls_for(self, part: str) -> list[QueueCall]:
        """Return the queue calls whose webhook URL contains `part`, such as a run key."""
        return [call for call in self.queue_calls if part in (call.webhook or "")]
