"""From an HTTP answer that is not a 2xx to the one error that says what it means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic_core import from_json

from bot.domain.errors import (
    ComfyError,
    ComfyForbidden,
    ComfyInvalid,
    ComfyNotCancellable,
    ComfyNotFound,
    ComfyRateLimited,
    ComfyRedirected,
    ComfyRejected,
    ComfyServerError,
    ComfyTimeout,
    ComfyUnauthorized,
)
from bot.domain.runs import InputValue
from bot.domain.text import clean_text

MAX_DETAIL = 500
MAX_FIELDS = 10
MAX_RETRY_AFTER = 86_400.0
# ComfyDeploy's answer for a machine without cancel, and for a run that it does not know.
_NOT_CANCELLABLE = b"no modal function call ID"
_BEARER = re.compile(r"(bearer[\s+]+)[^\s\"',}]+", re.IGNORECASE)
# Our webhook address as it is echoed: plain, with JSON's escaped slashes, or percent-encoded.
_WEBHOOK = re.compile(r"(webhooks(?:\\*/|%2F)comfydeploy(?:\\*/|%2F))[^\s\"'<>,}]+", re.IGNORECASE)

_BY_STATUS: Mapping[int, type[ComfyError]] = {
    401: ComfyUnauthorized,
    402: ComfyForbidden,
    403: ComfyForbidden,
    404: ComfyNotFound,
    # A proxy gave up waiting: the run may have begun behind it.
    408: ComfyTimeout,
    410: ComfyNotFound,
}


def error_from_http(
    status: int, headers: Mapping[str, str], body: bytes, *, secrets: Iterable[str] = ()
) -> ComfyError:
    """The error for a status other than 2xx; `secrets` never reach its text."""
    detail = describe(status, body, secrets=secrets)
    if status == 422:
        return ComfyInvalid(detail, fields=_fields(body))
    if status == 429:
        return ComfyRateLimited(detail, retry_after=_retry_after(headers))
    if status >= 500:
        return ComfyServerError(detail, status=status)
    if status < 400:
        return ComfyRedirected(detail)
    return _BY_STATUS.get(status, ComfyRejected)(detail)


def error_from_cancel(
    status: int, headers: Mapping[str, str], body: bytes, *, secrets: Iterable[str] = ()
) -> ComfyError:
    """As above for the cancel call, where one 500 means that this run can't be cancelled."""
    if status == 500 and _NOT_CANCELLABLE in body:
        return ComfyNotCancellable(describe(status, body, secrets=secrets))
    return error_from_http(status, headers, body, secrets=secrets)


def describe(status: int, body: bytes, *, secrets: Iterable[str] = ()) -> str:
    """For the log: the status and the start of the body. Scrubbed before it is cut: no half is left."""
    text = scrub(body[:16_384].decode("utf-8", "replace"), secrets)
    return f"{status}: {clean_text(text, MAX_DETAIL)}"


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """Without API keys and without the part of our webhook address that authenticates."""
    for secret in secrets:
        text = text.replace(secret, "***") if secret else text
    return _WEBHOOK.sub(r"\1***", _BEARER.sub(r"\1***", text))


def _fields(body: bytes) -> tuple[str, ...]:
    """The keys that a 422 names: `["body", "inputs", "steps", "int"]` is about `steps`."""
    try:
        detail = load_object(body).get("detail")
    except WireError:
        return ()
    entries = detail if isinstance(detail, list) else []
    names = (_field(entry.get("loc")) for entry in entries if isinstance(entry, dict))
    return tuple(dict.fromkeys(name for name in names if name))[:MAX_FIELDS]


def _field(loc: object) -> str | None:
    path = [part for part in loc if part != "body"] if isinstance(loc, list) else []
    if path[:1] == ["inputs"] and len(path) > 1:
        path = path[1:]
    return clean_text(path[0], 64) if path and isinstance(path[0], str) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, or a date measured against the answer's own clock, since ours may differ."""
    named = {name.lower(): value for name, value in headers.items()}
    value = named.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_between(named.get("date", ""), value)
    return min(seconds, MAX_RETRY_AFTER) if seconds >= 0 else None


def _seconds_between(start: str, end: str) -> float:
    """NaN when either is no HTTP date."""
    try:
        return max(0.0, (parsedate_to_datetime(end) - parsedate_to_datetime(start)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return float("nan")


class WireError(ValueError):
    """A body that is not what the protocol says. Its text never quotes the body, which may hold secrets."""


def load(body: bytes) -> Any:
    """JSON as a value. Refuses NaN, bad UTF-8 and more than 200 levels; 1e999 reads as infinity."""
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {str(error)[:100]}") from None


def load_object(body: bytes) -> dict[str, Any]:
    """A JSON object; WireError for anything else."""
    value = load(body)
    if not isinstance(value, dict):
        raise WireError("not a JSON object")
    return value


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def uuid_of(data: dict[str, Any], field: str) -> str:
    """The UUID under `field`, in lower case; WireError when there is none."""
    value = data.get(field)
    text = value.lower() if isinstance(value, str) else ""
    if not _UUID.fullmatch(text):
        raise WireError(f"{field} is not a UUID")
    return text


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
