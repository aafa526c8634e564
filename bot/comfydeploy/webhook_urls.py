"""The webhook's address. ComfyDeploy signs nothing, so what authenticates a call is inside the URL."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

WEBHOOK_PATH = "/webhooks/comfydeploy"
# Beneath the webhooks' path, so that a proxy treats it as it treats them.
PING_PATH = f"{WEBHOOK_PATH}/ping"
# A run reports several times a second. Whoever measures that a key is remembered learns nothing of its MAC.
_REMEMBERED = 1024


@lru_cache(_REMEMBERED)
def _mac(secret: bytes, key: str) -> str:
    return hmac.digest(secret, key.encode(), "sha256").hex()[:32]


class WebhookSigner:
    """Makes and checks webhook URLs: HMAC-SHA256 over the run key, 32 hex characters of it."""

    def __init__(self, secret: str, public_url: str | None) -> None:
        self._secret = secret.encode()
        self._public_url = public_url

    def mac(self, key: str) -> str:
        return _mac(self._secret, key)

    def verify(self, key: str, mac: str) -> bool:
        """In constant time; `mac` may be anything that a stranger sent."""
        return hmac.compare_digest(self.mac(key).encode(), mac.encode("utf-8", "replace"))

    def ping_url(self, public_url: str, nonce: str) -> str:
        """An address that only somebody with the secret can make, to try PUBLIC_URL with."""
        return f"{public_url}{PING_PATH}/{nonce}/{self.mac(f'ping:{nonce}')}"

    def answers_ping(self, nonce: str, mac: str) -> bool:
        return self.verify(f"ping:{nonce}", mac)

    def pong(self, nonce: str, body: bytes) -> str:
        """What only somebody with the secret can answer, who got the body whole."""
        return self.mac(f"pong:{nonce}:{hashlib.sha256(body).hexdigest()}")

    def url(self, key: str) -> str | None:
        """Where ComfyDeploy reports a run; None without a PUBLIC_URL (results are polled then).

        `target_events` adds an event for each finished output; it filters nothing.
        """
        if self._public_url is None:
            return None
        return f"{self._public_url}{WEBHOOK_PATH}/{key}/{self.mac(key)}?target_events=run.output"
