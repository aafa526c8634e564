"""Every sentence that users read is short."""

from __future__ import annotations

import re

from bot.strings import SENTENCES

MOST_WORDS = 15


def test_a_sentence_has_few_words() -> None:
    assert len(SENTENCES) > 500
    long = {
        code: sentence
        for code, text in SENTENCES.items()
        for sentence in re.split(r"(?<=[.!?:;])\s+|\n", text)
        if len(sentence.split()) > MOST_WORDS
    }
    assert not long
