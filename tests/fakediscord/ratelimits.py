"""Rate limits, with a bucket for each route and its major parameters, and the global limit."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.fakediscord.errors import Json

# The headers of an answer, and the body of a 429 or None.
Decision = tuple[dict[str, str], Json | None]
_MESSAGES = "/channels/{channel_id}/messages"
_WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
_MAJOR = ("channel_id", "guild_id", "webhook_id", "webhook_token")
_GLOBAL_LIMIT = 50

# (requests, seconds) by route, as in Discord's headers; Discord may change them at any time.
_LIMITS: dict[str, tuple[int, float]] = {
    f"POST {_MESSAGES}": (5, 5.0),
    f"PATCH {_MESSAGES}/{{message_id}}": (5, 5.0),
    f"DELETE {_MESSAGES}/{{message_id}}": (5, 1.0),
    f"POST {_WEBHOOK}": (5, 2.0),
    f"GET {_WEBHOOK}/messages/{{message_id}}": (5, 2.0),
    f"PATCH {_WEBHOOK}/messages/{{message_id}}": (5, 2.0),
    f"DELETE {_WEBHOOK}/messages/{{message_id}}": (5, 2.0),
}


@dataclass(slots=True)
class _Window:
    left: int
    ends: float


class RateLimits:
    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._windows: dict[tuple[str, str], _Window] = {}

    def take(self, route: str, params: Mapping[str, str], *, interaction: bool) -> Decision:
        """Count a request. Interaction routes aren't subject to the global limit."""
        if not self.enabled:
            return {}, None
        if not interaction:
            window = self._window("global", "", _GLOBAL_LIMIT, 1.0)
            if window.left <= 0:
                return refusal(window.ends - time.monotonic(), everywhere=True)
            window.left -= 1
        if route not in _LIMITS:
            return {}, None
        limit, seconds = _LIMITS[route]
        major = "+".join(params[name] for name in _MAJOR if name in params)
        window = self._window(route, major, limit, seconds)
        allowed = window.left > 0
        window.left = max(window.left - 1, 0)
        reset_after = max(window.ends - time.monotonic(), 0.001)
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(window.left),
            "X-RateLimit-Reset": f"{time.time() + reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{reset_after:.3f}",
            "X-RateLimit-Bucket": hashlib.sha256(route.encode()).hexdigest()[:32],
        }
        if allowed:
            return headers, None
        more, body = refusal(reset_after)
        return headers | more, body

    def _window(self, route: str, major: str, limit: int, seconds: float) -> _Window:
        now = time.monotonic()
        window = self._windows.get((route, major))
        if window is None or window.ends <= now:
            window = self._windows[route, major] = _Window(limit, now + seconds)
        return window


def refusal(retry_after: float, *, everywhere: bool = False) -> Decision:
    """Return a 429. Without `Via`, discord.py would take it for a ban by Cloudflare and give up."""
    headers = {
        "Retry-After": str(max(round(retry_after), 1)),
        "X-RateLimit-Scope": "global" if everywhere else "user",
        "Via": "1.1 google",
    }
    if everywhere:
        headers["X-RateLimit-Global"] = "true"
    body = {
        "message": "You are being rate limited.",
        "retry_after": round(retry_after, 3),
        "global": everywhere,
    }
    return headers, body
