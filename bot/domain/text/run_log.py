"""Select the lines of a run's log to show, after removing secrets, addresses and paths from all of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from bot.domain.text import clean_text, shorten
from bot.domain.text.masking import scrub

# Only the end of a log is searched for the last error, to bound the work.
_READ = 200_000
_LINES_KEPT = 20
_AFTER_THE_ERROR = 2
_LINE = 400
_LOG = 2000
_ERROR = 200

_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_STAMP = re.compile(
    r"^\[?\d{4}-\d\d-\d\d[T ][\d:.,]{5,20}Z?\]?[ |-]{0,5}"
    r"|^[\[(]?(?:ERROR|CRITICAL|WARNING|INFO)[\])]?[ :|-]{1,5}"
)
# The last line of a Python traceback, and ComfyUI's own announcement of one.
_ERROR_LINE = re.compile(
    r"^(?:[A-Za-z_]\w{0,60}\.){0,8}\w{0,80}(?:Error|Exception|Exit|Interrupt|Failure|Timeout)(?::\s.*)?$"
)
_ANNOUNCED = re.compile(r"^!{3} ?Exception during processing ?!{3}\s*(.+)$")
# As PyTorch, CUDA's libraries and ComfyUI call it.
_OUT_OF_MEMORY = re.compile(
    r"OutOfMemoryError|out of memory|ALLOC_FAILED|Allocation on device", re.IGNORECASE
)
# ComfyUI's words for an input that a node doesn't take.
_INPUT_REFUSED = re.compile(
    r"^(?:Failed to validate prompt|Prompt outputs failed validation|invalid prompt)\b"
)


class FailureKind(StrEnum):
    """What made a run fail, if its log tells it."""

    ERROR = "error"
    OUT_OF_MEMORY = "out_of_memory"
    INPUT_REFUSED = "input_refused"


def end_of_log(entries: Sequence[str]) -> str | None:
    """Return the lines around the last error, or the last lines if there is no error.

    Addresses, paths and secrets are replaced before anything is cut, so that no part of a secret remains.
    Return None for an empty log.
    """
    lines = [line for line in scrub(_end_of("\n".join(entries))).splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if _error_in(line)]
    end = errors[-1] + 1 + _AFTER_THE_ERROR if errors else len(lines)
    kept = [shorten(line.rstrip(), _LINE) for line in lines[max(0, end - _LINES_KEPT) : end]]
    while kept and sum(len(line) + 1 for line in kept) > _LOG:
        kept.pop(0)
    return "\n".join(kept) or None


def last_error(log: str | None) -> str | None:
    """Return the message of the last error in a scrubbed log, or None if there is no error."""
    found = [error for line in (log or "").splitlines() if (error := _error_in(line))]
    return shorten(found[-1], _ERROR) if found else None


def failure_kind(log: str | None) -> FailureKind:
    """Return what made a run fail, as far as its scrubbed log tells it."""
    if _OUT_OF_MEMORY.search(last_error(log) or ""):
        return FailureKind.OUT_OF_MEMORY
    lines = (_unstamped(line) for line in (log or "").splitlines())
    return FailureKind.INPUT_REFUSED if any(map(_INPUT_REFUSED.match, lines)) else FailureKind.ERROR


def _end_of(text: str) -> str:
    """Return the last lines of a log as plain text. A line whose beginning is cut off isn't among them."""
    cut = len(text) > _READ
    end = text[-_READ:].partition("\n")[2] if cut else text
    plain = _TERMINAL_CODE.sub("", end).replace("\r", "\n")
    return clean_text(plain, _READ)


def _error_in(line: str) -> str | None:
    text = _unstamped(line)
    if announced := _ANNOUNCED.match(text):
        return announced[1]
    return text if _ERROR_LINE.match(text) else None


def _unstamped(line: str) -> str:
    return _STAMP.sub("", _STAMP.sub("", line.strip(), count=1), count=1)
