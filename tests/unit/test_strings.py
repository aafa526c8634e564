"""Every sentence that users read is short."""

from __future__ import annotations

import re

import pytest

from bot.strings import SENTENCES

MOST_WORDS = 15


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_has_few_words(code: str) -> None:
    for sentence in re.split(r"(?<=[.!?:;])\s+|\n", SENTENCES[code]):
        assert len(sentence.split()) <= MOST_WORDS, sentence
