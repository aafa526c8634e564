"""The webhook's address. ComfyDeploy signs nothing, so what authenticates a call is inside the URL."""

from __future__ import annotations

import hmac

WEBHOOK_PATH = "/webhooks/comfydeploy"


class WebhookSigner:
    """Makes and checks webhook URLs: HMAC-SHA256 over the run key, 32 hex characters of it."""

    def __init__(self, secret: str, public_url: str | None) -> None:
        self._secret = secret.encode()
        self._public_url = public_url

    def mac(self, key: str) -> str:
        return hmac.digest(self._secret, key.encode(), "sha256").hex()[:32]

    def verify(self, key: str, mac: str) -> bool:
        """In constant time; `mac` may be anything that a stranger sent."""
        return hmac.compare_digest(self.mac(key).encode(), mac.encode("utf-8", "replace"))

    def url(self, key: str) -> str | None:
        """Where ComfyDeploy reports a run; None without a PUBLIC_URL (results are polled then).

        `target_events` adds an event for each finished output; it filters nothing.
        """
        if self._public_url is None:
            return None
        return f"{self._public_url}{WEBHOOK_PATH}/{key}/{self.mac(key)}?target_events=run.output"
