"""Parse and show the numbers that users type in commands and forms."""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal

# Nobody types a number longer than this.
NUMBER_LENGTH = 100
# Accept decimal notation, but not Python's `1_0` or `nan`. "1.000" is 1 to some people and 1000 to others, so
# it isn't a whole number.
_INTEGER = re.compile(r"[+-]?[0-9]++(?:\.0{0,2})?", re.ASCII)
# Possessive, so that each digit can match in only one way: backtracking would take quadratic time.
FLOAT = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:e[+-]?[0-9]{1,4})?", re.ASCII | re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}([ ,_])[0-9]{3}(?:\1[0-9]{3})*(?:\.[0-9]*)?", re.ASCII)
# The marks that full-width, Arabic and typographic keyboards insert.
_MARKS = str.maketrans(
    {"\uff0e": ".", "\uff0c": ",", "\uff0b": "+", "\uff0d": "-", "\u2212": "-", "\u066b": ".", "\u066c": ","}
)
# Nobody reads the digits of numbers beyond these.
_TINY, _HUGE = 1e-9, 10**24


def typed_number(text: str) -> float | None:
    """Parse a number in any script's digits, such as `.5`, `5,5`, `1,000`, or `1e3`.

    A comma before exactly three digits separates thousands, and any other comma is a decimal point. Return
    None for other text and for numbers that no float holds.
    """
    plain = _plain(text)
    if not FLOAT.fullmatch(plain):
        return None
    number = float(plain)
    return number if math.isfinite(number) else None


def typed_integer(text: str) -> int | None:
    """Parse a whole number, as `typed_number` does. Return None for other text."""
    plain = _plain(text)
    return int(plain.partition(".")[0]) if _INTEGER.fullmatch(plain) else None


def shown_number(value: int | float) -> str:
    """Return a number as users type it: 999 and not 999.0, and 1e98 instead of 99 digits."""
    if value and not _TINY <= abs(value) < _HUGE:
        return repr(value) if abs(value) < _TINY else f"{value:.6g}".replace("e+", "e")
    return f"{Decimal(repr(value)).normalize():f}"


def _plain(text: str) -> str:
    """Return a number in ASCII, with a decimal point and without separators, or text that isn't a number."""
    if len(text) > 2 * NUMBER_LENGTH:
        return ""
    digits = "".join(str(unicodedata.decimal(char, char)) for char in text.translate(_MARKS))
    plain = " ".join(digits.split())
    if len(plain) > NUMBER_LENGTH:
        return ""
    if separated := _THOUSANDS.fullmatch(plain):
        return plain.replace(separated[1], "")
    return plain.replace(",", ".")
