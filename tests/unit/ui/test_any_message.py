"""Whatever people and services write: no message breaks Discord's limits, pings or breaks out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.runs import FINAL, RunState
from bot.ui.components import FileKind, PreparedOutputs
from bot.ui.shares import share_messages
from bot.ui.status import status_message
from tests.unit.ui.messages import CODES, assert_within_limits, file, outcome, run, text

HOSTILE = "@everyone <@1> <#2> [a](https://evil) **b** `c` ```d``` \u202eevil\u200b # x\n> y ||z|| \\"


@pytest.mark.parametrize("state", sorted(RunState))
def test_hostile_words_neither_ping_nor_break_out(state: RunState) -> None:
    hostile = run(
        state,
        prompt=HOSTILE * 100,
        live_status=HOSTILE,
        progress=0.4,
        gpu_used=HOSTILE,
        failure_code=CODES.get(state) and "comfy_invalid",
        failure_params={"fields": HOSTILE},
    )
    parts = (
        outcome(hostile, PreparedOutputs(), HOSTILE)
        if state in FINAL
        else [status_message([hostile], HOSTILE)]
    )
    if state in FINAL:
        parts += share_messages(hostile, HOSTILE, PreparedOutputs(), None)
    for part in parts:
        shown = text(part).replace("<@42>", "")
        assert not re.search(r"(?<!\\)(\*\*b|`c`|\[a\]|\|\|z|<@1>|<#2>|@everyone)", shown)
        assert "\\[a](https" in shown
        assert "\u202e" not in shown
        assert "\n> y" not in shown
        assert part.mention in (42, None)
        assert_within_limits(part)


@given(
    state=st.sampled_from(sorted(RunState)),
    words=st.text(max_size=7000),
    texts=st.lists(st.text(alphabet="`a\n", min_size=1, max_size=150), max_size=10),
    files=st.lists(st.sampled_from(FileKind), max_size=40),
    remarks=st.lists(st.text(min_size=1, max_size=1500).filter(str.strip), max_size=41),
)
def test_whatever_comes_every_message_is_within_discords_limits(
    state: RunState, words: str, texts: list[str], files: list[FileKind], remarks: list[str]
) -> None:
    subject = run(state, prompt=words, live_status=words, gpu_used=words, progress=0.1, seed=1)
    if state not in FINAL:
        assert_within_limits(status_message([subject], words or "x"))
        return
    named = tuple(file(number, kind) for number, kind in enumerate(files))
    succeeded = state is RunState.SUCCEEDED
    prepared = PreparedOutputs(named, tuple(texts), tuple(remarks)) if succeeded else PreparedOutputs()
    shared = share_messages(subject, words or "x", prepared, "https://discord.com/")
    for part in [*outcome(subject, prepared, words or "x"), *shared]:
        assert_within_limits(part)
