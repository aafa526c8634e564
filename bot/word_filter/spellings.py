"""Convert a text to all the spellings that are searched, so that unusual spelling doesn't hide a word.

All functions are pure. A word is refused if it appears in any spelling. The spellings undo these tricks,
within these limits:

- invisible and combining characters, wide and styled letters, by Unicode's NFKD. Latin letters without a
  decomposition (stroked, small capitals, squared) are replaced by AnyAscii. Marks that a script needs stay.
- upper and lower case, by `fold`.
- look-alikes from other scripts, by Unicode's confusables: only in a word that mixes scripts, or if all its
  letters look Latin. Russian for "mouth" has a letter that doesn't, so it is never read as "pot".
- three or more single letters with any spaces or punctuation between them. Longer pieces are never joined.
- digits and signs for letters, in a word that has enough letters: "sh1t" and "a$$" are decoded, "4k" is not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby
from string import ascii_lowercase
from typing import NamedTuple

from anyascii import anyascii
from confusable_homoglyphs.utils import load

# Marks both ends of each word in a marked text; `normalize` removes it from the text itself.
WORD_EDGE = "\0"
# These are invisible, although Unicode counts them as neither control nor format characters: fillers, the
# object replacement character, the null notehead, and code points reserved for similar characters.
_UNDRAWN = frozenset("\u115f\u1160\u3164\uffa0\ufffc\U0001d159\u2065") | frozenset(
    map(chr, (*range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000)))
)
_VOICED = frozenset("\u3099\u309a")  # a kana with one of these is another letter
_SPACELESS = ("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ")
_SINGLES = re.compile(r"(?<![^\W_])[^\W_](?:[\W_]++[^\W_](?![^\W_])){2,}")
# Possessive, and never starting inside a run of "!": thousands of them would take quadratic time.
_LEET = re.compile(r"(?<!!)(?:!*+[A-Za-z0-9@$]++)++")
_MEASURES = re.compile(r"\d+(?:st|nd|rd|th|in|ft|cm|mm|kg|px)", re.IGNORECASE)
_LEET_I = str.maketrans("013457@$!", "oieastasi")
_LEET_L = str.maketrans("013457@$!", "oleastasl")
# Monospaced letters, which `normalize` turns into plain ones.
_STYLED = str.maketrans(ascii_lowercase, "".join(map(chr, range(0x1D68A, 0x1D6A4))))
# The Latin letters that each character looks like. All look-alikes, as the library keeps them, take 6 MiB.
_LATIN = {
    char: found
    for char, glyphs in load("confusables.json").items()
    if (found := tuple(glyph["c"] for glyph in glyphs if "LATIN" in glyph["n"]))
}


class Spellings(NamedTuple):
    """The spellings of a text.

    `raw` is the text as typed, `near` replaces letters only, `all` also joins letters and reads digits as
    letters and, if a word mixes scripts, has the text in `foreign` letters.
    """

    raw: str
    near: tuple[str, ...]
    all: tuple[str, ...]


def respell(text: str) -> Spellings:
    """Return every spelling of a text with its case preserved; `fold` a spelling before comparing it."""
    plain = normalize(text)
    near = _distinct(plain, latin(plain))
    spread = _distinct(*near, *(_SINGLES.sub(_join, view) for view in near))
    read = (_leet(view, table) for view in spread for table in (_LEET_I, _LEET_L))
    mixes = not plain.isascii() and any(_mixed(word) for kind, word in _runs(plain) if kind)
    # JSON may contain lone surrogates, which no matcher accepts.
    raw = text.encode("utf-8", "replace").decode().replace(WORD_EDGE, " ")
    return Spellings(raw, near, _distinct(*spread, *read, *([foreign(plain)] if mixes else [])))


def fold(text: str) -> str:
    """Case-fold the text without changing its length, so that positions stay valid."""
    whole = text.casefold()
    if len(whole) == len(text):
        return whole
    return "".join(low if len(low := char.casefold()) == 1 else char for char in text)


def mark_edges(text: str) -> str:
    """Put WORD_EDGE at both ends of every word, so that a plain search finds whole words."""
    return "".join(f"{WORD_EDGE}{run}{WORD_EDGE}" if kind else run for kind, run in _runs(text))


def normalize(text: str) -> str:
    """Return the text without invisible characters, with plain letters and single spaces."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept: list[str] = []
    for char in "".join(map(_decomposed, text.encode("utf-8", "replace").decode())):
        on_latin = kept and kept[-1].isascii() and kept[-1].isalpha()
        if not (on_latin and unicodedata.category(char)[0] == "M"):
            kept.extend(_plain(char))
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def latin(text: str) -> str:
    """Replace look-alikes with Latin letters in words that mix scripts or consist only of look-alikes."""
    return _words(text, _latin_word)


def foreign(text: str) -> str:
    """Fold all look-alikes in words that aren't ASCII, to letters that no other spelling contains.

    A non-Latin keyword in the same spelling is found even if Latin letters replace some of its own.
    """
    return _words(text, lambda word: _loosely(word).lower().translate(_STYLED))


def _loosely(word: str) -> str:
    return "".join(_alike(char)[1] or char for char in word)


def _latin_word(word: str) -> str:
    if _mixed(word):
        return _loosely(word)
    strict = [_alike(char)[0] if char.isalpha() else char for char in word]
    return word if None in strict else "".join(char or "" for char in strict)


def _mixed(word: str) -> bool:
    return any(c.isascii() and c.isalpha() for c in word) and any(not c.isascii() for c in word)


def _join(run: re.Match[str]) -> str:
    """Join single letters. An "a" or "I" at either end may be a word, as in "a b a d", so add versions
    without it.
    """
    word = "".join(char for char in run[0] if char.isalnum())
    start, end = int(word[0] in "aAiI"), len(word) - (word[-1] in "aAiI")
    return " ".join(_distinct(word, word[start:], word[:end], word[start:end]))


def _leet(text: str, table: dict[int, int]) -> str:
    def read(found: re.Match[str]) -> str:
        word = found[0]
        letters = sum(char.isalpha() for char in word)
        digits = sum(char.isdigit() for char in word)
        if letters < max(1, digits + (digits == 1)) or _MEASURES.fullmatch(word):
            return word
        return word.translate(table)

    return _LEET.sub(read, text)


def _words(text: str, change: Callable[[str], str]) -> str:
    if text.isascii():
        return text
    return "".join(run if run.isascii() or not kind else change(run) for kind, run in _runs(text))


def _runs(text: str) -> Iterator[tuple[str, str]]:
    for kind, run in groupby(text, _kind):
        yield kind, "".join(run)


@lru_cache(maxsize=16_384)
def _kind(char: str) -> str:
    """Return the kind of word that the character belongs to, or an empty string between words.

    Words in scripts without spaces are separate from adjacent letters of other scripts.
    """
    if not (char.isalnum() or unicodedata.category(char)[0] == "M"):
        return ""
    return "spaceless" if unicodedata.name(char, "").startswith(_SPACELESS) else "word"


@lru_cache(maxsize=16_384)
def _decomposed(char: str) -> str:
    """Return the character's NFKD decomposition, or the character itself if it has more than 4 characters."""
    parts = unicodedata.normalize("NFKD", char)
    return parts if len(parts) <= 4 else char


@lru_cache(maxsize=16_384)
def _plain(char: str) -> str:
    category, name = unicodedata.category(char), unicodedata.name(char, "")
    if char.isspace() or char == "\u2800":  # the blank braille pattern
        return " "
    if category in ("Cc", "Cf") or char in _UNDRAWN:
        return ""
    if category in ("Mn", "Me") and char not in _VOICED and ("COMBINING" in name or "VARIATION" in name):
        return ""
    if char.isascii() or not ("LATIN" in name or category == "So"):
        return char
    letters = anyascii(char)
    return letters if letters.isalpha() and (len(letters) == 1 or category != "So") else char


@lru_cache(maxsize=16_384)
def _alike(char: str) -> tuple[str | None, str | None]:
    """Return two ASCII letters that look like the character. Each is None if there is no such letter.

    The first looks the same. The second may also look like the character's capital, or only similar.
    """
    if char.isascii():
        return (char, char)
    same = _drawn_as(char)
    letters = map(anyascii, _LATIN.get(char, ()))
    near = (letter for letter in letters if len(letter) == 1 and letter.isalpha())
    return same, same or _drawn_as(char.upper()) or next(near, None)


def _drawn_as(char: str) -> str | None:
    found = (
        glyph for glyph in _LATIN.get(char, ()) if len(glyph) == 1 and glyph.isascii() and glyph.isalpha()
    )
    same = next(found, None)
    # Unicode's prototype of every capital I is "l".
    return "I" if same == "l" and char.isupper() else same


def _distinct(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
