"""A log of requests, messages and 429 answers, bounded for long runs."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from tests.fakediscord.world import Message

_REQUESTS_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request. `status` is 0 if the connection was dropped unanswered; `at` is `time.perf_counter()`."""

    at: float
    method: str
    route: str
    path: str
    status: int
    code: int | None
    summary: str
    fault: str | None = None


class RequestLog:
    def __init__(self, *, messages_kept: int) -> None:
        self.requests: deque[RequestRecord] = deque(maxlen=_REQUESTS_KEPT)
        self.messages: deque[Message] = deque(maxlen=messages_kept)
        """Every message the fake ever made, deleted and ephemeral ones included, oldest first."""
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.rate_limited: Counter[str] = Counter()
        """429s by route, those ordered as a fault not included."""
        self.unknown_routes: Counter[str] = Counter()
        self.messages_created = 0
        self.crashes: list[Exception] = []
        """Errors in the fake itself: a body of an unexpected shape, or its own mistake."""

    def record(self, entry: RequestRecord) -> None:
        self.requests.append(entry)
        self.statuses[f"{entry.method} {entry.route}", entry.status] += 1
        if entry.status == 429 and entry.fault is None:
            self.rate_limited[f"{entry.method} {entry.route}"] += 1

    def created(self, message: Message) -> None:
        self.messages_created += 1
        self.messages.append(message)

    @property
    def invalid_requests(self) -> int:
        """Return the number of 401, 403 and 429 answers; 10,000 in ten minutes get an address blocked."""
        return sum(count for (_, status), count in self.statuses.items() if status in (401, 403, 429))

    def calls(self, method: str, route: str) -> list[RequestRecord]:
        """Return the requests to one route, as in `calls("POST", "/channels/{channel_id}/messages")`."""
        return [r for r in self.requests if (r.method, r.route) == (method, route)]
