"""A log of requests and messages, with limited memory for long runs."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from tests.fakediscord.world import Message

_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request. `status` is 0 if it got no answer."""

    method: str
    route: str
    path: str
    status: int


class RequestLog:
    def __init__(self) -> None:
        self.requests: deque[RequestRecord] = deque(maxlen=_KEPT)
        self.messages: deque[Message] = deque(maxlen=_KEPT)
        """Every message, including deleted and ephemeral ones, oldest first."""
        self.unknown_routes: Counter[str] = Counter()
        self.crashes: list[Exception] = []
        """Errors of the fake itself, such as for a body of an unexpected shape."""

    def calls(self, method: str, route: str) -> list[RequestRecord]:
        """Return the requests to a route, as in `calls("POST", "/channels/{channel_id}/messages")`."""
        return [r for r in self.requests if (r.method, r.route) == (method, route)]
