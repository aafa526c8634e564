"""What we send, exactly as the published page documents it, and the short answers to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.comfy.body import WireError, load_object, uuid_of
from bot.domain.runs import InputValue

QUEUE_PATH = "/run/deployment/queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCall:
    """POST /run/deployment/queue. `webhook` holds its own secret, so it stays out of the repr."""

    deployment_id: str
    inputs: Mapping[str, InputValue]
    webhook: str | None = field(default=None, repr=False)
    gpu: str | None = None

    def body(self) -> dict[str, Any]:
        """The JSON to send. Progress events come only with `webhook_intermediate_status`."""
        body: dict[str, Any] = {"deployment_id": self.deployment_id, "inputs": dict(self.inputs)}
        if self.webhook is not None:
            body |= {"webhook": self.webhook, "webhook_intermediate_status": True}
        if self.gpu is not None:
            body["gpu"] = self.gpu
        return body


def parse_queue_reply(body: bytes) -> str:
    """The run's id; WireError when the answer names none."""
    return uuid_of(load_object(body), "run_id")


def parse_upload_reply(body: bytes) -> str:
    """The uploaded file's URL; WireError when the answer names none."""
    url = load_object(body).get("file_url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise WireError("file_url is not an http(s) address")
    return url
