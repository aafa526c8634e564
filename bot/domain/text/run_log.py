"""Select the lines of a run's log to show, and remove addresses, paths and secrets from them.

Every repetition in the patterns is bounded, because the log comes from the machine and may contain anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.domain.text import clean_text, shorten

_LINES_READ = 2000
_LINES_KEPT = 20
_AFTER_THE_ERROR = 2
_LINE_READ = 700
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

_ADDRESS, _PATH, _SECRET = "[address]", "[path]", "[secret]"
_SCRUBBED: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>]{1,700}"), _ADDRESS),
    (re.compile(r"\bdata:[\w/+.;=-]{1,60},[^\s\"'<>]{1,700}"), _ADDRESS),
    (re.compile(r"\bbearer\s{1,5}[^\s\"',}]{1,700}", re.IGNORECASE), _SECRET),
    (
        re.compile(
            r"((?:api[_-]?key|token|secret|passw(?:or)?d|authorization|credential|signature)[\w-]{0,20}"
            r"[\"']?\s{0,3}[:=]\s{0,3}[\"']?)(?!\[)[^\s\"',;&)}\]]{1,700}",
            re.IGNORECASE,
        ),
        rf"\1{_SECRET}",
    ),
    # Tokens with the prefix of a known issuer, JSON Web Tokens, and long mixtures of letters and digits.
    (re.compile(r"\b(?:hf|sk|pk|rk|r8|gh[opsu]|github_pat|glpat|xox[abp])[_-][\w-]{8,500}"), _SECRET),
    (re.compile(r"\b(?:AKIA|ASIA|AIza)[\w-]{12,100}"), _SECRET),
    (re.compile(r"\beyJ[\w-]{8,700}(?:\.[\w-]{4,700}){0,2}"), _SECRET),
    (
        re.compile(r"(?<![\w/+-])(?=[A-Za-z_-]{0,99}\d)(?=[\d_-]{0,99}[A-Za-z])[\w+-]{32,500}={0,2}"),
        _SECRET,
    ),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}"), _ADDRESS),
    (re.compile(r"([\"'])(?:[A-Za-z]:|~|\.{1,2})?[/\\][^\"'\n]{1,400}\1"), rf"\1{_PATH}\1"),
    (re.compile(r"(?<!\w)[A-Za-z]:[\\/][^\s\"'<>|]{1,400}"), _PATH),
    (re.compile(r"\\\\[^\s\"'<>|]{2,400}"), _PATH),
    (re.compile(r"(?<![\w.~])(?:~|\.{1,2})?(?:/[\w@%+=.,~#-]{1,100}){1,40}/?"), _PATH),
    (re.compile(r"(?<![\w/.-])[\w.-]{1,60}(?:/[\w.-]{1,60}){1,12}\.\w{1,12}\b"), _PATH),
    (re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.])"), _ADDRESS),
    (re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f]{1,4}(?![\w:])"), _ADDRESS),
    (
        re.compile(r"(?<![\w:])(?:(?:[0-9A-Fa-f]{1,4}:){1,6}|:)(?::[0-9A-Fa-f]{1,4}){1,6}(?![\w:])"),
        _ADDRESS,
    ),
    (re.compile(r"\b(?:localhost|[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}):\d{2,5}\b"), _ADDRESS),
    (re.compile(r"\b(?:[\w-]{1,63}\.){1,6}(?:com|net|org|internal|lan)\b"), _ADDRESS),
    (re.compile(r"\b(?:[\w-]{1,63}\.){2,6}(?:io|dev|ai|app|cloud|local)\b"), _ADDRESS),
)


def end_of_log(entries: Sequence[str]) -> str | None:
    """Return the lines around the last error, or the last lines if there is no error.

    Addresses, paths and secrets are replaced. Return None for an empty log.
    """
    lines = [line for entry in entries[-_LINES_READ:] for line in _lines(entry)][-_LINES_READ:]
    errors = [number for number, line in enumerate(lines) if _error_in(line)]
    end = errors[-1] + 1 + _AFTER_THE_ERROR if errors else len(lines)
    # Scrub whole lines before truncating them, so that no part of a secret remains.
    kept = [shorten(scrub(line), _LINE) for line in lines[max(0, end - _LINES_KEPT) : end]]
    while kept and sum(len(line) + 1 for line in kept) > _LOG:
        kept.pop(0)
    return "\n".join(kept) or None


def last_error(log: str | None) -> str | None:
    """Return the message of the last error in a scrubbed log, or None if there is no error."""
    found = [error for line in (log or "").splitlines() if (error := _error_in(line))]
    return shorten(found[-1], _ERROR) if found else None


def scrub(line: str) -> str:
    """Replace addresses, paths and secrets in a line."""
    for pattern, replacement in _SCRUBBED:
        line = pattern.sub(replacement, line)
    return line


def _lines(entry: str) -> list[str]:
    plain = _TERMINAL_CODE.sub("", entry[-100_000:])
    return [text for line in plain.splitlines() if (text := clean_text(line, _LINE_READ).rstrip()).strip()]


def _error_in(line: str) -> str | None:
    text = _STAMP.sub("", _STAMP.sub("", line.strip(), count=1), count=1)
    if announced := _ANNOUNCED.match(text):
        return announced[1]
    return text if _ERROR_LINE.match(text) else None
