"""Words from people and machines, made safe to show, numbers that people type, and the names of files."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.text import (
    belongs_to,
    escape_line,
    file_behind,
    file_stem,
    key_in,
    keys_in_links,
    shorten,
    shown_number,
    strip_invisible,
    typed_integer,
    typed_number,
)

# What starts something in Discord's markdown when no backslash stands before it.
_LIVE = re.compile(r"(?<!\\)(?:\\\\)*(?:[*_~|`\[\]<@]|://|discord\.gg/)")
JOINED = "🏳️\u200d🌈 👩🏽\u200d🚀 नी\u200cति क्\u200dष می\u200cکند"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a  b\n\tc\u2028d", "a b c d"),
        ("\u202egnp.exe\u202c", "gnp.exe"),
        ("a\u200b\ufeff\u2066b\ud800", "ab"),
        ("\u200da\u200c \u200d b", "a\u200c b"),
        ("\x00\x1b[31mred", "[31mred"),
        (JOINED, JOINED),
        ("ന്\u200d ന്\u200d", "ന്\u200d ന്\u200d"),  # a Malayalam letter that ends in a joiner
        ("a\U000e0067\U000e0062\U000e007fb", "ab"),
        ("\U0001fae8 \U0001fadf", "\U0001fae8 \U0001fadf"),  # emoji of 2022 and 2024
        *((hidden, "") for hidden in ("  ", "\u200c\u200d \u200b", "\ufe0f\u200d\ufe0f")),
    ],
)
def test_only_what_can_be_seen_is_kept_on_one_line(words: str, shown: str) -> None:
    assert strip_invisible(words) == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("@everyone <@&2> <t:1:R>", r"\@everyone \<\@&2> \<t:1:R>"),
        ("**b** _i_ ~~s~~ ||x|| `c`", r"\*\*b\*\* \_i\_ \~\~s\~\~ \|\|x\|\| \`c\`"),
        ("[a](https://x) **b** [c](https://y)", r"\[a\](https\://x) \*\*b\*\* \[c\](https\://y)"),
        ("discord.gg/a Discord.com/invite/b", r"discord.gg\/a Discord.com\/invite/b"),
        ("discord.com/channels 12:30 f/1.8 a:b", "discord.com/channels 12:30 f/1.8 a:b"),
        *((f"{mark} line", f"\\{mark} line") for mark in ("#", ">", "-#")),
        ("1. list", "1\\. list"),
        ("a # b > c - d 1.5", "a # b > c - d 1.5"),
        ("\\*a*", r"\\\*a\*"),
        # Six thousand marks are cut before they are escaped.
        ("*" * 6000, r"\*" * 299 + "…"),
    ],
)
def test_marks_are_shown_and_not_obeyed(words: str, shown: str) -> None:
    assert escape_line(words, 300) == shown


@given(st.text(max_size=7000), st.integers(1, 300))
def test_any_quotation_is_one_short_line_without_live_marks(words: str, limit: int) -> None:
    shown = escape_line(words, limit)
    assert "\n" not in shown
    assert len(shown) <= 2 * limit
    assert not _LIVE.search(shown)
    shown.encode()


@given(st.text(max_size=50), st.integers(1, 60))
def test_shortening_keeps_the_limit_and_says_that_something_is_missing(words: str, limit: int) -> None:
    short = shorten(words, limit)
    assert len(short) <= limit
    assert short == words if len(words) <= limit else short.endswith("…")
    assert shorten("🏳️\u200d🌈 flag", 4) == "🏳️…"  # not cut after a joiner


@pytest.mark.parametrize(
    ("text", "number", "whole"),
    [
        (",5", 0.5, None),
        ("0,500", 0.5, None),
        ("20.0", 20, 20),
        # To some people, this is a thousand.
        ("1.000", 1, None),
        ("+1,000", 1000, 1000),
        ("1\u202f000", 1000, 1000),
        ("1_000", 1000, 1000),
        ("-1 000 000.5", -1_000_000.5, None),
        ("\uff11\uff12\uff0c\uff15", 12.5, None),
        ("\u2212\u0663", -3, -3),
        ("1e3", 1000, None),
        ("9" * 99, 1e99, 10**99 - 1),
        *((text, None, None) for text in ("", "five", "nan", "inf", "1e999", "0x10", "1_0", "1,00,000")),
        *((text, None, None) for text in ("1.2.3", "10²", "1" * 101)),
    ],
)
def test_a_number_is_read_as_people_write_it(text: str, number: float | None, whole: int | None) -> None:
    assert typed_number(text) == number
    assert typed_integer(text) == whole


def test_a_number_is_shown_as_it_was_typed_unless_it_is_huge() -> None:
    shown = {
        0.00001: "0.00001",
        -(10**20) - 1: "-100000000000000000001",
        1.1e98: "1.1e98",
        1.25e-30: "1.25e-30",
    }
    assert {number: shown_number(number) for number in shown} == shown


@given(st.text("0123456789.,eE+- _\u0663\uff11\uff0c", max_size=120))
def test_any_text_is_a_finite_number_or_none(text: str) -> None:
    number, whole = typed_number(text), typed_integer(text)
    assert number is None or math.isfinite(number)
    assert whole is None or number == float(whole)


KEY, OTHER = "abcdefghij234567", "bcdefghij234567a"
NAME = f"{file_stem('flux-pro', KEY, 12)}.png"
CDN, PROXY = "https://cdn.discordapp.com/attachments", "https://media.discordapp.net/attachments"


@pytest.mark.parametrize("name", [NAME, f"SPOILER_{NAME}", f"https://cdn.example/1-2.3/{NAME}?ex=a-b-1.png"])
def test_a_name_says_which_run_made_the_file(name: str) -> None:
    assert key_in(name) == KEY
    assert belongs_to(name, KEY)
    assert not belongs_to(name, OTHER)


def test_the_file_of_the_texts_belongs_to_its_run_and_other_files_to_none() -> None:
    name = f"{file_stem('flux', KEY)}.txt"
    assert belongs_to(name, KEY)
    assert not any(map(key_in, ("", "my-cat.png", f"{NAME}/", f"{KEY}-1.png", f"a-{KEY}-1")))


def test_keys_are_read_from_links_alone() -> None:
    link = f"https://cdn.example/{NAME}?ex=1"
    assert keys_in_links([NAME, 5, True, "https://cdn.example/cat.png"]) == frozenset()
    assert keys_in_links([[link, "a cat"], 5]) == {KEY}


def test_a_file_is_the_same_behind_each_of_its_links() -> None:
    def is_same(one: str, other: str) -> bool:
        return file_behind(one) == file_behind(other)

    # Discord signs its links anew.
    assert is_same(f"{CDN}/1/2/a.png?ex=1&hm=2", f"{PROXY}/1/2/a.png?width=5")
    assert not is_same(f"{CDN}/1/2/a.png", f"{CDN}/1/3/a.png")
    # A file of a result has the same name in all its messages.
    assert is_same(f"{CDN}/1/2/flux-k3v9-1.png?ex=1", f"{CDN}/4/5/flux-k3v9-1.png")
    assert not is_same(f"{CDN}/1/2/flux-k3v9-1.png", f"{CDN}/1/2/flux-k3v9-2.png")
    # Elsewhere, the query may name the file.
    assert not is_same("https://comfy.test/view?filename=a.png", "https://comfy.test/view?filename=b.png")
