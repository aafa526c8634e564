"""Log to stderr, as text or JSON. A line about a run contains the run key, and secrets are redacted."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal, TextIO

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError
from pythonjsonlogger.json import JsonFormatter

REDACTED: Final = "[hidden]"
# Each task has its own value of a context variable, so runs that are handled concurrently don't mix.
_current_run: ContextVar[str | None] = ContextVar("current_run", default=None)
# The lowest level worth reading per library. discord.py's DEBUG prints whole payloads.
_MINIMUM_LEVELS: Final = {
    "discord": logging.INFO,
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
    "PIL": logging.WARNING,
}

_VALUE = r"[^/?&#\s\"'\\<>]+"
# The word PASSWORD is that of an example, as in a message about DATABASE_URL.
_IN_URL = r"(\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@]*:)(?!(?-i:PASSWORD)@)[^\s/@]+(?=@)"
_QUERY = r"(?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|Signature|sig|hm|ex|is)"

_PATTERNS: Final = (
    (re.compile(r"(/webhooks/comfydeploy/[\w-]+/)" + _VALUE), rf"\1{REDACTED}"),
    (re.compile(r"(/(?:webhooks|interactions)/\d+/)" + _VALUE), rf"\1{REDACTED}"),
    (re.compile(rf"([?&]{_QUERY}=)[^&\s\"'\\<>]+", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(r"(\bBearer )[\w.~+/=-]{12,}", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(r"(\\?[\"']token\\?[\"']\s*:\s*\\?[\"'])[^\"'\\]+", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(_IN_URL, re.IGNORECASE), rf"\1{REDACTED}"),
    # A Discord bot token: user id, time and MAC, each in base64.
    (re.compile(r"(?<![\w-])[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"), REDACTED),
    # A JSON Web Token, the format of ComfyDeploy's keys.
    (re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"), REDACTED),
)


class Redactor:
    """Replaces known secrets, and text that looks like a secret, with a placeholder.

    Known secrets of fewer than 8 characters are not replaced.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Skip short secrets: a database password such as "bot" would blank out half the log.
        usable = [secret for secret in secrets if len(secret) >= 8]
        texts = {text for secret in usable for text in (secret, json.dumps(secret)[1:-1])}
        # Longest first: if one secret begins with another, the longer one must be replaced as a whole.
        ordered = sorted(texts, key=len, reverse=True)
        self._exact = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        if self._exact is not None:
            text = self._exact.sub(REDACTED, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def _add_run(record: logging.LogRecord) -> bool:
    """Add the run's key to a record, from `extra={"run": key}` or else from `run_context`."""
    key = getattr(record, "run", None) or _current_run.get()
    if key is not None:
        record.run = key
    return True


def _is_no_bad_request(record: logging.LogRecord) -> bool:
    """Drop errors about malformed HTTP requests, with which strangers could fill the log."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | RequestPayloadError)


_TEXT = "%(asctime)s %(levelname)-8s %(name)s %(message)s"


class _Text(logging.Formatter):
    """A formatter that writes a record as one line, and its traceback as indented lines below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # overrides logging's method
        if key := getattr(record, "run", None):
            record.message = f"run={key} {record.message}"
        return _escaped(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        line, *traceback = super().format(record).split("\n")
        return "\n".join([line, *(f"    {_escaped(below)}" for below in traceback)])


def _escaped(text: str) -> str:
    """Escape control characters, so that a prompt or file name can't forge a log line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Redacting(logging.StreamHandler[TextIO]):
    """A handler that redacts the finished line, including arguments, tracebacks and extra fields."""

    def __init__(self, stream: TextIO, redact: Redactor) -> None:
        super().__init__(stream)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


@contextmanager
def run_context(key: str) -> Iterator[None]:
    """Add a run's key to each line logged inside the block, also by libraries and by tasks that it starts."""
    token = _current_run.set(key)
    try:
        yield
    finally:
        _current_run.reset(token)


def setup_logging(
    level: str, text: Literal["text", "json"], *, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Replace the root handlers with one on `stream` (default stderr) that redacts `secrets`."""
    handler = _Redacting(stream or sys.stderr, Redactor(secrets))
    handler.addFilter(_add_run)
    renamed = {"levelname": "level", "name": "logger"}
    as_json = JsonFormatter("%(levelname)s %(name)s %(message)s", rename_fields=renamed, timestamp=True)
    handler.setFormatter(as_json if text == "json" else _Text(_TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, minimum in _MINIMUM_LEVELS.items():
        logging.getLogger(name).setLevel(max(minimum, logging.getLogger().level))
    # Access logs contain the webhooks' MACs in their paths, and a line per progress event is noise.
    logging.getLogger("aiohttp.access").setLevel(logging.CRITICAL + 1)
    logging.getLogger("aiohttp.server").addFilter(_is_no_bad_request)
    logging.captureWarnings(capture=True)
