"""Words from people and machines, made safe to show."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.text import escape_line, shorten, strip_invisible

# What starts something in Discord's markdown when no backslash stands before it.
_LIVE = re.compile(r"(?<!\\)(?:\\\\)*(?:[*_~|`\[\]<@]|://|discord\.gg/)")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a  b\n\tc\u2028d", "a b c d"),
        ("\u202egnp.exe\u202c", "gnp.exe"),
        ("a\u200b\u200d\ufeff\u2066b", "ab"),
        ("\x00\x1b[31mred", "[31mred"),
        ("\ud800x", "x"),
        ("  ", ""),
        ("naïve 日本語 🙂", "naïve 日本語 🙂"),
        *((words, words) for words in ("🏳️\u200d🌈", "👩🏽\u200d🚀", "❤️\u200d🔥", "नी\u200cति", "क्\u200dष")),
        ("می\u200cکند", "می\u200cکند"),
        ("ന്\u200d ന്\u200d", "ന്\u200d ന്\u200d"),  # a Malayalam letter that ends in a joiner
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",) * 2,  # the flag of England
        ("a\U000e0067\U000e0062\U000e007fb", "ab"),
        ("\U0001fae8 \U0001fadf", "\U0001fae8 \U0001fadf"),  # emoji of 2022 and 2024
        ("\u200da\u200c \u200db\u200d\u200dc\u200c", "a bc"),
        *((hidden, "") for hidden in ("\u200d", "\u200c\u200d \u200b", "\ufe0f", "\ufe0f\u200d\ufe0f")),
    ],
)
def test_only_what_can_be_seen_is_kept_on_one_line(words: str, shown: str) -> None:
    assert strip_invisible(words) == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("@everyone @here", r"\@everyone \@here"),
        ("<@1> <@&2> <#3> <t:1:R> <:a:1>", r"\<\@1> \<\@&2> \<#3> \<t:1:R> \<:a:1>"),
        ("**b** _i_ ~~s~~ ||x|| `c`", r"\*\*b\*\* \_i\_ \~\~s\~\~ \|\|x\|\| \`c\`"),
        ("[a](https://x) **b** [c](https://y)", r"\[a\](https\://x) \*\*b\*\* \[c\](https\://y)"),
        ("see HTTPS://x, steam://y", r"see HTTPS\://x, steam\://y"),
        ("discord.gg/a Discord.com/invite/b", r"discord.gg\/a Discord.com\/invite/b"),
        ("discord.com/channels 12:30 f/1.8 a:b", "discord.com/channels 12:30 f/1.8 a:b"),
        ("# big", r"\# big"),
        ("> quote", r"\> quote"),
        ("-# small", r"\-# small"),
        ("1. list", "1\\. list"),
        ("a # b > c - d 1.5", "a # b > c - d 1.5"),
        ("\\*a*", r"\\\*a\*"),
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


def test_a_text_is_not_cut_after_a_joiner() -> None:
    assert shorten("🏳️\u200d🌈 flag", 4) == "🏳️…"


@given(st.text(max_size=50), st.integers(1, 60))
def test_shortening_keeps_the_limit_and_says_that_something_is_missing(words: str, limit: int) -> None:
    short = shorten(words, limit)
    assert len(short) <= limit
    assert short == words if len(words) <= limit else short.endswith("…")


def test_six_thousand_marks_are_cut_before_they_are_escaped() -> None:
    shown = escape_line("*" * 6000, 300)
    assert shown == r"\*" * 299 + "…"
