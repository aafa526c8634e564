"""Select the lines of a run's log to show, after removing secrets, addresses and paths from all of it.

The log may contain anything, so every pattern takes linear time: what may be repeated without a bound either
ends its pattern or can't be entered at every character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.domain.text import clean_text, shorten

_ADDRESS, _PATH, _SECRET = "[address]", "[path]", "[secret]"
# A value: up to the closing quote or bracket, or else up to the next space.
_VALUE = r"""
    (?: b?(?P<quote>\\{0,3}["']) (?:(?!(?P=quote))[^\n])*+ (?:(?P=quote))?
      | [\[{(] [^\]})\n]*+ [\]})]?
      | [^\s"']\S*+ )
"""
# What separates a name from its value: `name: `, `"name": ` and `'name', ` in a list or tuple.
_IS = r"""(?: \\{0,3}["'][^\S\n]{0,5}[:=,][^\S\n]{0,5} | [^\S\n]{0,5}(?:=>|[:=])[^\S\n]{0,5} )"""
_NAMES = r"""(?:
    api[_-]?key | (?:access|private|secret|encryption|signing|account|ssh)[_-]?key | token | secret
    | passw(?:or)?d | passwd | passphrase | passcode | pwd | credential | signature | session[_-]?(?:id|key)
    | jwt | cookie | authorization | authentication | (?<![a-z])auth(?![a-z])
)"""
_HEADERS = r"(?: (?:proxy-)?authorization | (?:set-)?cookie | x-[\w-]{0,30}(?:key|token|auth|secret) )"
# The rest of a name, unless it is that of an exception, such as AuthenticationError.
_MORE = r"(?!\w{0,40}(?:Error|Exception)\b)[\w-]{0,20}"
# A quoted value, or the rest of the line.
_REST = r"""(?: b?(?P<quote>\\{0,3}["']) (?:(?!(?P=quote))[^\n])*+ (?:(?P=quote))? | [^\n]++ )"""
# A command's option and its value, also as two items of a list.
_THEN = r"""(?: \\{0,3}["']?[^\S\n]{0,5},[^\S\n]{0,5} | [^\S\n]{1,5} | = )"""
_PROGRAMS = "(?:sshpass|mysql|mariadb|docker|podman|redis-cli|login)"
_MIXED = r"(?=\S*[\d=]|\S+[A-Z])"
_ISSUERS = "hf|sk|pk|rk|r8|gh[oprsu]|github_pat|glpat|glsa|npm|pypi|dop_v1|shpat|whsec|xapp|xox[abeprs]"

# Where the name before a secret stays.
_NAMED = rf"\1{_SECRET}"

_PATTERNS: Sequence[tuple[str, str]] = (
    (r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}:(?:\\{0,3}/){2}[^\s\"'<>]+", _ADDRESS),
    (r"\bdata:[\w/+.;=-]{1,60},[^\s\"'<>]+", _ADDRESS),
    # Keys in PEM, on lines of their own or with escaped line breaks.
    (r"-----BEGIN [A-Z0-9 ]{1,40}-----[^!]{0,8000}?-----END [A-Z0-9 ]{1,40}-----", _SECRET),
    (r"-----BEGIN [A-Z0-9 ]{1,40}-----(?:\s?[\w+/=\\]{16,})*", _SECRET),
    (rf"(?ix)(\b{_HEADERS}{_MORE}{_IS}){_REST}", _NAMED),
    (r"(?i)(\bpass(?:word|wd|phrase|code)[^\S\n]{0,5}:[^\S\n]{1,5})[^\n]+", _NAMED),
    (rf"(?ix)({_NAMES}{_MORE}{_IS}){_VALUE}", _NAMED),
    (rf"(?ix)((?<![\w-])--?[\w-]{{0,30}}(?:{_NAMES}|key|user|login)[\w-]{{0,20}}{_THEN}){_VALUE}", _NAMED),
    (rf"(?ix)((?<![\w-])-u{_THEN}?)(?=\S{{0,200}}:|[\"']){_VALUE}", _NAMED),
    (rf"(?ix)(\b{_PROGRAMS}\b[^\n]{{0,200}}?[\s\"']-[pa]{_THEN}?){_VALUE}", _NAMED),
    (r"(?i)\bbearer[^\S\n]{1,5}[^\s\"']+", _SECRET),
    (rf"\b(?i:basic|token|digest|negotiate|apikey)[^\S\n]{{1,5}}{_MIXED}[\w+/=.~:-]{{8,}}", _SECRET),
    (r"(?<![\w.+%-])[\w.+%-]{1,100}:[^\s@/\"']{1,200}@(?=[\w.-])", f"{_SECRET}@"),
    # Tokens with the prefix of a known issuer, JSON Web Tokens, bot tokens of Discord, secret keys of AWS,
    # and long mixtures of letters and digits.
    (rf"\b(?:{_ISSUERS})[_-][\w-]{{8,}}", _SECRET),
    (r"\b(?:AKIA|ASIA|AIza|ya29\.|SG\.)[\w.-]{12,}", _SECRET),
    (r"\beyJ[\w-]{8,}(?:\.[\w-]{4,}){0,4}", _SECRET),
    (r"(?<![\w.-])[\w-]{23,30}\.[\w-]{5,8}\.[\w-]{27,}", _SECRET),
    (
        r"(?<![\w/+=-])(?=[A-Za-z/+]{0,99}\d)(?=[\da-z/+]{0,99}[A-Z])(?=[\dA-Z/+]{0,99}[a-z])"
        r"(?:[A-Za-z0-9/+]{40}(?![\w/+=.])|[A-Za-z0-9/+]{60,}={0,2}(?![\w/.]))",
        _SECRET,
    ),
    (r"(?<![\w/+-])(?=[A-Za-z_-]{0,99}\d)(?=[\d_-]{0,99}[A-Za-z])[\w+-]{32,}={0,2}", _SECRET),
    (r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}", _ADDRESS),
    (r"([\"'])(?:[A-Za-z]:|~|\.{1,2})?[/\\][^\"'\n]{1,400}\1", rf"\1{_PATH}\1"),
    (r"(?<!\w)[A-Za-z]:[\\/][^\s\"'<>|]+", _PATH),
    (r"\\\\[^\s\"'<>|]{2,}", _PATH),
    (r"(?<![\w.~])(?:~|\.{1,2})?(?:/[\w@%+=.,~#-]{1,100}){1,40}/?", _PATH),
    (r"(?<![\w/.-])[\w.-]{1,60}(?:/[\w.-]{1,60}){1,12}\.\w{1,12}\b", _PATH),
    (r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.])", _ADDRESS),
    (r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f]{1,4}(?![\w:])", _ADDRESS),
    (r"(?<![\w:])(?:(?:[0-9A-Fa-f]{1,4}:){1,6}|:)(?::[0-9A-Fa-f]{1,4}){1,6}(?![\w:])", _ADDRESS),
    (r"\b(?:localhost|[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}):\d{2,5}\b", _ADDRESS),
    (r"\b(?:[\w-]{1,63}\.){1,6}(?:com|net|org|internal|lan)\b", _ADDRESS),
    (r"\b(?:[\w-]{1,63}\.){2,6}(?:io|dev|ai|app|cloud|local)\b", _ADDRESS),
)
_COMPILED = [(re.compile(pattern), replacement) for pattern, replacement in _PATTERNS]


def scrub(text: str) -> str:
    """Replace addresses, paths and secrets.

    Pass a text before it is cut: of a secret that lost its beginning, the rest wouldn't be recognized.
    """
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    return text


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
_MISSING = re.compile(r"^(?:\w{1,60}\.){0,8}(?:FileNotFound|ModuleNotFound|Import)Error\b")
_NETWORK = re.compile(r"^(?:\w{1,60}\.){0,8}(?:\w{0,40}(?:Connect|ReadTimeout|MaxRetry)|URLError)")
# ComfyUI's words for an input that a node doesn't take.
_INPUT_REFUSED = re.compile(
    r"^(?:Failed to validate prompt|Prompt outputs failed validation|invalid prompt)\b"
)


def end_of_log(entries: Sequence[str]) -> str | None:
    """Return the lines around the last error, or the last lines if there is no error.

    Addresses, paths and secrets are replaced before anything is cut, so that no part of a secret remains.
    Return None for an empty log.
    """
    text = "\n".join(entries)
    # A line whose beginning is cut off is left out.
    end = text[-_READ:].partition("\n")[2] if len(text) > _READ else text
    plain = clean_text(_TERMINAL_CODE.sub("", end).replace("\r", "\n"), _READ)
    lines = [line for line in scrub(plain).splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if _error_in(line)]
    last = errors[-1] + 1 + _AFTER_THE_ERROR if errors else len(lines)
    kept = [shorten(line.rstrip(), _LINE) for line in lines[max(0, last - _LINES_KEPT) : last]]
    while kept and sum(len(line) + 1 for line in kept) > _LOG:
        kept.pop(0)
    return "\n".join(kept) or None


def last_error(log: str | None) -> str | None:
    """Return the message of the last error in a scrubbed log, or None if there is no error."""
    found = [error for line in (log or "").splitlines() if (error := _error_in(line))]
    return shorten(found[-1], _ERROR) if found else None


def failure_code(log: str | None) -> str:
    """Return the code of the sentence that says why a run failed, as far as its scrubbed log tells it."""
    error = last_error(log) or ""
    if _OUT_OF_MEMORY.search(error):
        return "run_failed_memory"
    lines = (_unstamped(line) for line in (log or "").splitlines())
    if any(map(_INPUT_REFUSED.match, lines)):
        return "run_failed_input"
    if _MISSING.match(error):
        return "run_failed_missing"
    return "run_failed_network" if _NETWORK.match(error) else "run_failed"


def _error_in(line: str) -> str | None:
    text = _unstamped(line)
    if announced := _ANNOUNCED.match(text):
        return announced[1]
    return text if _ERROR_LINE.match(text) else None


def _unstamped(line: str) -> str:
    return _STAMP.sub("", _STAMP.sub("", line.strip(), count=1), count=1)
