"""Replace secrets, addresses and paths in a machine's output.

The text may contain anything, so every pattern takes linear time: what may be repeated without a bound either
ends its pattern or can't be entered at every character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_ADDRESS, _PATH, _SECRET = "[address]", "[path]", "[secret]"
_FLAGS = re.IGNORECASE | re.VERBOSE
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
_MIXED = r"(?=\S*[\d=]|\S+[A-Z])"

_PATTERNS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}:(?:\\{0,3}/){2}[^\s\"'<>]+"), _ADDRESS),
    (re.compile(r"\bdata:[\w/+.;=-]{1,60},[^\s\"'<>]+"), _ADDRESS),
    # Keys in PEM, on lines of their own or with escaped line breaks.
    (re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----[^!]{0,8000}?-----END [A-Z0-9 ]{1,40}-----"), _SECRET),
    (re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----(?:\s?[\w+/=\\]{16,})*"), _SECRET),
    (re.compile(rf"(\b{_HEADERS}{_MORE}{_IS}){_REST}", _FLAGS), rf"\1{_SECRET}"),
    (
        re.compile(r"(\bpass(?:word|wd|phrase|code)[^\S\n]{0,5}:[^\S\n]{1,5})[^\n]+", re.IGNORECASE),
        rf"\1{_SECRET}",
    ),
    (re.compile(rf"({_NAMES}{_MORE}{_IS}){_VALUE}", _FLAGS), rf"\1{_SECRET}"),
    (
        re.compile(
            rf"((?<![\w-])--?[\w-]{{0,30}}(?:{_NAMES}|key|user|login)[\w-]{{0,20}}{_THEN}){_VALUE}", _FLAGS
        ),
        rf"\1{_SECRET}",
    ),
    (
        re.compile(rf"((?<![\w-])-u{_THEN}?)(?=\S{{0,200}}:|[\"']){_VALUE}", _FLAGS),
        rf"\1{_SECRET}",
    ),
    (
        re.compile(
            rf"(\b(?:sshpass|mysql|mariadb|docker|podman|redis-cli|login)\b[^\n]{{0,200}}?[\s\"']-[pa]{_THEN}?){_VALUE}",
            _FLAGS,
        ),
        rf"\1{_SECRET}",
    ),
    (re.compile(r"\bbearer[^\S\n]{1,5}[^\s\"']+", re.IGNORECASE), _SECRET),
    (
        re.compile(rf"\b(?i:basic|token|digest|negotiate|apikey)[^\S\n]{{1,5}}{_MIXED}[\w+/=.~:-]{{8,}}"),
        _SECRET,
    ),
    (re.compile(r"(?<![\w.+%-])[\w.+%-]{1,100}:[^\s@/\"']{1,200}@(?=[\w.-])"), f"{_SECRET}@"),
    # Tokens with the prefix of a known issuer, JSON Web Tokens, bot tokens of Discord, secret keys of AWS,
    # and long mixtures of letters and digits.
    (
        re.compile(
            r"\b(?:hf|sk|pk|rk|r8|gh[oprsu]|github_pat|glpat|glsa|npm|pypi|dop_v1|shpat|whsec|xapp|xox[abeprs])"
            r"[_-][\w-]{8,}"
        ),
        _SECRET,
    ),
    (re.compile(r"\b(?:AKIA|ASIA|AIza|ya29\.|SG\.)[\w.-]{12,}"), _SECRET),
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]{4,}){0,4}"), _SECRET),
    (re.compile(r"(?<![\w.-])[\w-]{23,30}\.[\w-]{5,8}\.[\w-]{27,}"), _SECRET),
    (
        re.compile(
            r"(?<![\w/+=-])(?=[A-Za-z/+]{0,99}\d)(?=[\da-z/+]{0,99}[A-Z])(?=[\dA-Z/+]{0,99}[a-z])"
            r"(?:[A-Za-z0-9/+]{40}(?![\w/+=.])|[A-Za-z0-9/+]{60,}={0,2}(?![\w/.]))"
        ),
        _SECRET,
    ),
    (
        re.compile(r"(?<![\w/+-])(?=[A-Za-z_-]{0,99}\d)(?=[\d_-]{0,99}[A-Za-z])[\w+-]{32,}={0,2}"),
        _SECRET,
    ),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}"), _ADDRESS),
    (re.compile(r"([\"'])(?:[A-Za-z]:|~|\.{1,2})?[/\\][^\"'\n]{1,400}\1"), rf"\1{_PATH}\1"),
    (re.compile(r"(?<!\w)[A-Za-z]:[\\/][^\s\"'<>|]+"), _PATH),
    (re.compile(r"\\\\[^\s\"'<>|]{2,}"), _PATH),
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


def scrub(text: str) -> str:
    """Replace addresses, paths and secrets.

    Pass a text before it is cut: of a secret that lost its beginning, the rest wouldn't be recognized.
    """
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
