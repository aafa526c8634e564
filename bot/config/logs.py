"""Logging to stderr, as text or JSON, with the run's key on each line and no secret on any."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final, Literal, TextIO

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError
from pythonjsonlogger.json import JsonFormatter

HIDDEN: Final = "[hidden]"
# A context variable is bound to the running task: two runs handled side by side keep their own.
_current_run: ContextVar[str | None] = ContextVar("current_run", default=None)
# What each library says above this level is of use to an operator. discord.py's DEBUG prints whole payloads.
_LEVELS: Final = {
    "discord": logging.INFO,
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "alembic": logging.WARNING,
    "PIL": logging.WARNING,
}

_VALUE = r"[^/?&#\s\"'\\<>]+"
_QUERY = r"(?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|Signature|sig|hm|ex|is)"

_PATTERNS: Final = (
    (re.compile(r"(/webhooks/comfydeploy/[\w-]+/)" + _VALUE), rf"\1{HIDDEN}"),
    (re.compile(r"(/(?:webhooks|interactions)/\d+/)" + _VALUE), rf"\1{HIDDEN}"),
    (re.compile(rf"([?&]{_QUERY}=)[^&\s\"'\\<>]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(\bBearer )[\w.~+/=-]{12,}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(\\?[\"']token\\?[\"']\s*:\s*\\?[\"'])[^\"'\\]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE), rf"\1{HIDDEN}"),
    # A Discord bot token: user id, time and MAC, each in base64.
    (re.compile(r"(?<![\w-])[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"), HIDDEN),
    # A JSON web token, the form of ComfyDeploy's keys.
    (re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"), HIDDEN),
)


class Redactor:
    """Takes secrets out of a text: those it was given exactly, and whatever has a secret's form."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # A database's password may be a plain short word, which would blank out half the log.
        long = [secret for secret in secrets if len(secret) >= 8]
        forms = {form for secret in long for form in (secret, json.dumps(secret)[1:-1])}
        # The longest first, so that a secret which begins another leaves no rest of it.
        ordered = sorted(forms, key=len, reverse=True)
        self._exact = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        if self._exact is not None:
            text = self._exact.sub(HIDDEN, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


class _RunKey(logging.Filter):
    """Gives the record its run: `extra={"run": key}` or, failing that, the surrounding `run_context`."""

    def filter(self, record: logging.LogRecord) -> bool:
        key = getattr(record, "run", None) or _current_run.get()
        if key is not None:
            record.run = key
        return True


class _NoBadRequests(logging.Filter):
    """A head or body that is no HTTP is its sender's fault; a stranger's tracebacks would fill the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | RequestPayloadError)


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-8s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's own name
        # A prompt or a file name must not be able to forge a line of its own.
        record.message = "".join(
            c if c.isprintable() else c.encode("unicode_escape").decode() for c in record.message
        )
        if key := getattr(record, "run", None):
            record.message = f"run={key} {record.message}"
        return super().formatMessage(record)


class _Json(JsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
        )


class _Redacting(logging.Formatter):
    """Works on the finished line, so that arguments, tracebacks and extra fields go through it too."""

    def __init__(self, inner: logging.Formatter, redact: Redactor) -> None:
        super().__init__()
        self._inner = inner
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(self._inner.format(record))


class run_context:  # noqa: N801  # reads as a statement, like contextlib's own
    """Every line logged inside, also by libraries and by tasks begun here, carries this run's key."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        self._token = _current_run.set(self._key)

    def __exit__(self, *_: object) -> None:
        _current_run.reset(self._token)


def setup_logging(
    level: str, form: Literal["text", "json"], *, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Replace the root's handlers by one on `stream` (stderr). `secrets` never appear, whatever logs them."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_RunKey())
    handler.setFormatter(_Redacting(_Json() if form == "json" else _Text(), Redactor(secrets)))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, least in _LEVELS.items():
        logging.getLogger(name).setLevel(max(least, logging.getLogger().level))
    # The paths of an access log carry the webhooks' MACs, and one line a progress event helps nobody.
    logging.getLogger("aiohttp.access").setLevel(logging.CRITICAL + 1)
    logging.getLogger("aiohttp.server").addFilter(_NoBadRequests())
    logging.captureWarnings(capture=True)
