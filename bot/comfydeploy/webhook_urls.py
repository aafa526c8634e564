"""The address of a run's webhooks. ComfyDeploy signs nothing, so what authenticates a call is in the URL."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from bot.domain.backend import WebhookEndpoint

WEBHOOK_PATH = "/webhooks/comfydeploy"
WEBHOOKS = WebhookEndpoint(
    route=f"{WEBHOOK_PATH}/{{key:[a-z0-9]{{1,20}}}}/{{mac:[^/]{{1,64}}}}",
    # ComfyDeploy's second and third tries arrive as GET with the same body.
    methods=("POST", "GET"),
)
# Beneath the webhooks' path, so that a proxy treats it as it treats them.
PING_PATH = f"{WEBHOOK_PATH}/ping"
# A run reports several times a second. A caller who measures that a key is cached learns nothing of its MAC.
_CACHED = 1024


@lru_cache(_CACHED)
def _mac(secret: bytes, key: str) -> str:
    return hmac.digest(secret, key.encode(), "sha256").hex()[:32]


class WebhookSigner:
    """The MAC in a webhook's URL: 32 hex characters of an HMAC-SHA256 over the run's key."""

    def __init__(self, secret: str, public_url: str | None) -> None:
        self._secret = secret.encode()
        self._public_url = public_url

    def mac(self, key: str) -> str:
        return _mac(self._secret, key)

    def verify(self, key: str, mac: str) -> bool:
        """Check a MAC in constant time; it may be anything that a stranger sent."""
        return hmac.compare_digest(self.mac(key).encode(), mac.encode("utf-8", "replace"))

    def ping_url(self, public_url: str, nonce: str) -> str:
        """Return an address to try PUBLIC_URL with, which only somebody with the secret can make."""
        return f"{public_url}{PING_PATH}/{nonce}/{self.mac(f'ping:{nonce}')}"

    def answers_ping(self, nonce: str, mac: str) -> bool:
        return self.verify(f"ping:{nonce}", mac)

    def pong(self, nonce: str, body: bytes) -> str:
        """Return the answer to a ping, which takes the secret and the whole body to make."""
        return self.mac(f"pong:{nonce}:{hashlib.sha256(body).hexdigest()}")

    def url(self, key: str) -> str | None:
        """Return where ComfyDeploy reports a run, or None without a PUBLIC_URL, when results are polled.

        `target_events` adds an event for each finished output; it filters nothing.
        """
        if self._public_url is None:
            return None
        return f"{self._public_url}{WEBHOOK_PATH}/{key}/{self.mac(key)}?target_events=run.output"
