"""Build and verify the webhook URLs of runs. ComfyDeploy signs nothing, so the URL authenticates the call."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from bot.domain.backend import WebhookEndpoint

WEBHOOK_PATH = "/webhooks/comfydeploy"
WEBHOOKS = WebhookEndpoint(
    route=f"{WEBHOOK_PATH}/{{key:[a-z0-9]{{1,20}}}}/{{mac:[^/]{{1,64}}}}",
    # ComfyDeploy's second and third attempts arrive as GET with the same body.
    methods=("POST", "GET"),
)
# Under the webhooks' path, so that a proxy treats pings like webhooks.
PING_PATH = f"{WEBHOOK_PATH}/ping"
# Cached, since a run reports several times a second. A caller that measures whether a key is cached learns
# nothing about its MAC.
_CACHED = 1024


@lru_cache(_CACHED)
def _mac(secret: bytes, key: str) -> str:
    return hmac.digest(secret, key.encode(), "sha256").hex()[:32]


class WebhookSigner:
    """Signs and verifies webhook URLs. The MAC is 32 hex characters of an HMAC-SHA256 over the run key."""

    def __init__(self, secret: str, public_url: str | None) -> None:
        self._secret = secret.encode()
        self._public_url = public_url

    def mac(self, key: str) -> str:
        return _mac(self._secret, key)

    def verify(self, key: str, mac: str) -> bool:
        """Return whether `mac` is the MAC of `key`, compared in constant time. Any text is safe to pass."""
        return hmac.compare_digest(self.mac(key).encode(), mac.encode("utf-8", "replace"))

    def ping_url(self, public_url: str, nonce: str) -> str:
        """Return a URL that tests PUBLIC_URL. Only a holder of the secret can create such a URL."""
        return f"{public_url}{PING_PATH}/{nonce}/{self.mac(f'ping:{nonce}')}"

    def answers_ping(self, nonce: str, mac: str) -> bool:
        return self.verify(f"ping:{nonce}", mac)

    def pong(self, nonce: str, body: bytes) -> str:
        """Return the answer to a ping, which proves knowledge of the secret and receipt of the whole body."""
        return self.mac(f"pong:{nonce}:{hashlib.sha256(body).hexdigest()}")

    def url(self, key: str) -> str | None:
        """Return the URL for reports about a run, or None without a PUBLIC_URL, when runs are only polled.

        `target_events` adds an event for each finished output; it doesn't filter events.
        """
        if self._public_url is None:
            return None
        return f"{self._public_url}{WEBHOOK_PATH}/{key}/{self.mac(key)}?target_events=run.output"
