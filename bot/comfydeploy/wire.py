"""ComfyDeploy's wire format: webhook URLs, updates of runs, logs, and what error responses mean.

ComfyDeploy signs no webhooks, so their URLs authenticate them.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

from pydantic_core import from_json

from bot.domain.backend import WEBHOOK_PATH
from bot.domain.errors import (
    BackendBadReply,
    BackendCrashed,
    BackendError,
    BackendForbidden,
    BackendNotCancellable,
    BackendNotFound,
    BackendRateLimited,
    BackendRedirected,
    BackendRefused,
    BackendServerError,
    BackendTimeout,
    BackendUnauthorized,
)
from bot.domain.runs import Output, RunState, RunUpdate
from bot.domain.text import clean_text, strip_invisible

T = TypeVar("T")
MAX_DETAIL = 500
MAX_FIELDS = 10
# ComfyDeploy's reply if the machine can't cancel runs, or if the run is unknown.
_NOT_CANCELLABLE = b"no modal function call ID"
# The prefix of a machine's own reply, which ComfyDeploy passes through with the machine's status.
_PASSED_THROUGH = "Error creating run: "
_BEARER = re.compile(r"(bearer[\s+]+)[^\s\"',}]+", re.IGNORECASE)
# Our webhook URL as ComfyDeploy echoes it: plain, with JSON's escaped slashes, or percent-encoded.
ECHOED_WEBHOOK = re.compile(r"(webhooks(?:\\*/|%2F)comfydeploy(?:\\*/|%2F))[^\s\"'<>,}]+", re.IGNORECASE)

_BY_STATUS: Mapping[int, type[BackendError]] = {
    401: BackendUnauthorized,
    402: BackendForbidden,
    403: BackendForbidden,
    404: BackendNotFound,
    # A proxy gave up waiting; the run may have started anyway.
    408: BackendTimeout,
    410: BackendNotFound,
}


def error_from_http(
    status: int, headers: Mapping[str, str], body: bytes, *, call: str = "", secrets: Iterable[str] = ()
) -> BackendError:
    """Return the error for a status other than 2xx; `secrets` never appear in its text.

    `call` is its name in the metrics. A cancel call may say that the run can't be cancelled. ComfyDeploy's
    own 500 is JSON, as for an unknown deployment. If it can't write a description, as for an Enum whose
    options aren't a list of texts, its web server responds with 500 in plain text.
    """
    # Scrub before truncating, so that no part of a secret remains.
    text = scrub(body[:16_384].decode("utf-8", "replace"), secrets)
    detail, content = f"{status}: {clean_text(text, MAX_DETAIL)}", None
    with suppress(BackendBadReply):
        content = load(body, dict)
    told = (content or {}).get("detail")
    # A machine's own reply is unrelated to the API key and the deployment.
    passed_through = isinstance(told, str) and told.startswith(_PASSED_THROUGH)
    if status == 500 and call == "cancel" and _NOT_CANCELLABLE in body:
        return BackendNotCancellable(detail)
    if status == 500 and call == "deployment" and content is None:
        return BackendCrashed(detail, status=status)
    if 400 < status < 500 and status != 408 and passed_through:
        return BackendRefused(detail, code="comfy_machine")
    if status == 422:
        fields = ", ".join(_fields(told))
        return BackendRefused(
            detail, code="comfy_invalid" if fields else "comfy_invalid_unnamed", fields=fields
        )
    if status == 429:
        seconds = -1.0
        with suppress(ValueError):
            seconds = float(headers.get("Retry-After", ""))
        return BackendRateLimited(detail, retry_after=seconds if seconds >= 0 else None)
    if status >= 500:
        return BackendServerError(detail, status=status)
    if status < 400:
        return BackendRedirected(detail)
    return _BY_STATUS.get(status, BackendRefused)(detail)


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace `secrets`, bearer tokens, and the part of our webhook URLs that authenticates."""
    for secret in secrets:
        text = text.replace(secret, "***") if secret else text
    return ECHOED_WEBHOOK.sub(r"\1***", _BEARER.sub(r"\1***", text))


def _fields(detail: object) -> tuple[str, ...]:
    """Return the input keys that a 422 names. For example, `["body", "inputs", "steps"]` names `steps`."""
    names = []
    for entry in detail if isinstance(detail, list) else ():
        loc = entry.get("loc") if isinstance(entry, dict) else None
        path = [part for part in loc if part != "body"] if isinstance(loc, list) else []
        if path[:1] == ["inputs"] and len(path) > 1:
            path = path[1:]
        if path and isinstance(path[0], str) and (name := clean_text(path[0], 64)):
            names.append(name)
    return tuple(dict.fromkeys(names))[:MAX_FIELDS]


def load(body: bytes, kind: type[T]) -> T:
    """Parse JSON whose value is a `dict` or a `list`. In it, 1e999 is infinity.

    Raises BackendBadReply for another value, invalid JSON, NaN, bad UTF-8, and more than 200 levels.
    """
    try:
        value = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except (ValueError, RecursionError) as error:
        raise BackendBadReply(f"not JSON: {str(error)[:100]}") from None
    if not isinstance(value, kind):
        raise BackendBadReply(f"not a JSON {'object' if kind is dict else 'array'}")
    return value


def number(value: object) -> int | float | None:
    """Return a finite number, or None for anything else, such as a boolean."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < float("inf") else None


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def uuid_of(data: Mapping[str, Any], field: str) -> str:
    """Return the UUID in `field` in lower case, or raise BackendBadReply."""
    value = data.get(field)
    text = value.lower() if isinstance(value, str) else ""
    if not _UUID.fullmatch(text):
        raise BackendBadReply(f"{field} is not a UUID")
    return text


_ROUTE = f"{WEBHOOK_PATH}/{{key:[a-z0-9]{{1,20}}}}/{{mac:[^/]{{1,64}}}}"
# ComfyDeploy's second and third attempts arrive as GET with the same body.
WEBHOOKS = (("POST", _ROUTE), ("GET", _ROUTE))


class WebhookSigner:
    """Signs and verifies webhook URLs. The MAC is 32 hex characters of an HMAC-SHA256 over the run key."""

    def __init__(self, secret: str, public_url: str | None) -> None:
        self._secret = secret.encode()
        self._public_url = public_url

    def mac(self, key: str) -> str:
        return hmac.digest(self._secret, key.encode(), "sha256").hex()[:32]

    def verify(self, key: str, mac: str) -> bool:
        """Return whether `mac` is the MAC of `key`, compared in constant time. Any text is safe to pass."""
        return hmac.compare_digest(self.mac(key).encode(), mac.encode("utf-8", "replace"))

    def url(self, key: str) -> str | None:
        """Return the URL for updates of a run, or None without a PUBLIC_URL.

        `target_events` adds an event for each finished output; it doesn't filter events.
        """
        if self._public_url is None:
            return None
        return f"{self._public_url}{WEBHOOK_PATH}/{key}/{self.mac(key)}?target_events=run.output"


MAX_OUTPUTS = 200
MAX_TEXT = 100_000
MAX_ALL_TEXT = 500_000  # over all texts of a run; each reader of the row parses them
MAX_URL = 8192
MAX_FILENAME = 150
MAX_WORD = 200
MAX_GPU = 32
_URL = re.compile(rf"[^\s\x00-\x20\x7f-\x9f]{{1,{MAX_URL}}}")
# ComfyDeploy reports in two dialects. The service itself uses the states `not-started` … `success` with
# progress from 0 to 1. Its documentation has `queued`, `processing` and `completed` with progress up to 100.
STATES: Mapping[str, RunState] = {
    "not-started": RunState.QUEUED,
    "queued": RunState.QUEUED,
    "started": RunState.RUNNING,
    "running": RunState.RUNNING,
    "processing": RunState.RUNNING,
    "uploading": RunState.UPLOADING,
    "success": RunState.SUCCEEDED,
    "completed": RunState.SUCCEEDED,
    "failed": RunState.FAILED,
    "timeout": RunState.TIMED_OUT,
    "cancelled": RunState.CANCELLED,
}
# Float noise never brings a progress of at most 1 above this value, so a larger one is in percent.
_SURELY_PERCENT = 1.5


def parse_webhook(body: bytes) -> RunUpdate:
    """Parse a webhook's body. Raises BackendBadReply as `parse_run` does.

    The output of a `run.output` event is ignored. It is only one of the run's outputs, so the others would
    seem to be missing, and its link may not work.
    """
    data = load(body, dict)
    return _update(data, "run_id", () if data.get("event_type") == "run.output" else data.get("outputs"))


def parse_run(body: bytes) -> RunUpdate:
    """Parse the response of GET /run/{id}. Fields of the wrong type are absent, except the id.

    Raises BackendBadReply if the id is no UUID, or the body no object.
    """
    data = load(body, dict)
    ahead, gpu, seconds = data.get("queue_position"), data.get("gpu"), number(data.get("run_duration"))
    return _update(data, "id", data.get("outputs"))._replace(
        # ComfyDeploy counts from 0.
        queue_position=ahead + 1 if type(ahead) is int and 0 <= ahead < 2**31 - 1 else None,
        gpu=clean_text(gpu, MAX_GPU) or None if isinstance(gpu, str) else None,
        run_duration=round(float(seconds), 3) if seconds is not None and 0 <= seconds < 2**31 else None,
    )


def _update(data: Mapping[str, Any], id_field: str, outputs: object) -> RunUpdate:
    status, phrase = data.get("status"), data.get("live_status")
    word, progress = status if isinstance(status, str) else "", number(data.get("progress"))
    if progress is not None:
        progress = min(max(progress, 0), 100)
        progress = progress / 100 if progress > _SURELY_PERCENT else progress
    # Rounded, because ComfyDeploy sends float noise (0.20999999344348907).
    return RunUpdate(
        run_id=uuid_of(data, id_field),
        state=STATES.get(word),
        live_status=clean_text(phrase, MAX_WORD) or None if isinstance(phrase, str) else None,
        progress=None if progress is None else round(min(progress, 1.0), 4),
        outputs=parse_outputs(outputs),
    )


def parse_log(body: bytes) -> list[str]:
    """Parse the response of GET /v2/clickhouse-run-logs/{id}, and return the lines that the machine wrote.

    Raises BackendBadReply if the response isn't a list.
    """
    texts = (entry.get("log") if isinstance(entry, dict) else None for entry in load(body, list))
    lines = (line for text in texts if isinstance(text, str) for line in text.splitlines())
    # The runner itself writes end marks, and deliveries of webhooks with their whole URLs.
    return [line for line in lines if line.strip() not in ("", "__END__") and not ECHOED_WEBHOOK.search(line)]


def clean_filename(name: object) -> str | None:
    """Return the last part of a path without invisible characters, or None if nothing is left.

    Of a name that is too long, the end is kept.
    """
    base = re.split(r"[/\\]", name[-1024:])[-1] if isinstance(name, str) else ""
    return strip_invisible(base).strip(" .")[-MAX_FILENAME:] or None


def parse_outputs(entries: object) -> tuple[Output, ...]:
    """Parse at most MAX_OUTPUTS outputs, each URL and each text once.

    Previews (of type `temp`), files without a URL, and texts beyond MAX_ALL_TEXT are left out.
    """
    if not isinstance(entries, list):
        return ()
    unique: dict[tuple[str | None, str | None], Output] = {}
    for output in islice(_outputs(entries), MAX_OUTPUTS * 2):
        unique.setdefault((output.url, output.text), output)
    kept, space = [], MAX_ALL_TEXT
    for output in islice(unique.values(), MAX_OUTPUTS):
        length = len(output.text or "")
        if length <= space:
            space -= length
            kept.append(output)
    return tuple(kept)


def _outputs(entries: list[object]) -> Iterator[Output]:
    """Yield files with a URL, and plain strings. Flags such as `animated: [true]` are ignored."""
    for entry in entries:
        data = entry.get("data") if isinstance(entry, dict) else None
        for name, items in data.items() if isinstance(data, dict) else ():
            kind = clean_text(name, MAX_WORD)
            for item in items if isinstance(items, list) else [items]:
                if isinstance(item, str) and (text := clean_text(item, MAX_TEXT)).strip():
                    yield Output(kind, text=text)
                elif isinstance(item, dict) and item.get("type") != "temp":
                    url = item.get("url")
                    if isinstance(url, str) and _URL.fullmatch(url):
                        yield Output(kind, url=url, filename=clean_filename(item.get("filename")))
