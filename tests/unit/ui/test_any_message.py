"""Messages about runs with any texts and files: limits, pings, markdown, and unapproved requests."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.runs import FINAL, Run, RunState
from bot.ui.message_parts import FileKind, OutgoingMessage, PreparedOutputs
from bot.ui.result_buttons import OfferedActions
from bot.ui.results import share_messages
from bot.ui.status import status_message
from tests.unit.ui.messages import ASKED, CODES, assert_within_limits, file, outcome, run, text

HOSTILE = "@everyone <@1> <#2> [a](https://evil) **b** `c` ```d``` \u202eevil\u200b # x\n> y ||z|| \\"


def messages_of(made: Run, prepared: PreparedOutputs, title: str) -> list[OutgoingMessage]:
    """Return a run's status message, or its outcome and a share, all within Discord's limits."""
    if made.state in FINAL:
        shared = share_messages(made, title, prepared, "https://discord.com/", OfferedActions())
        parts = [*outcome(made, prepared, title), *shared]
    else:
        parts = [status_message([made], title)]
    for part in parts:
        assert_within_limits(part)
    return parts


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
    for part in messages_of(hostile, PreparedOutputs(), HOSTILE):
        shown = text(part).replace("<@42>", "")
        assert not re.search(r"(?<!\\)(\*\*b|`c`|\[a\]|\|\|z|<@1>|<#2>|@everyone)", shown)
        assert "\\[a\\](https\\:" in shown
        assert "\u202e" not in shown
        assert "\n> y" not in shown
        assert part.mention in (42, None)


@given(
    state=st.sampled_from(sorted(RunState)),
    words=st.text(max_size=7000),
    texts=st.lists(st.text(alphabet="`a\n", min_size=1, max_size=150), max_size=10),
    files=st.lists(st.sampled_from(FileKind), max_size=40),
    remarks=st.lists(st.text(min_size=1, max_size=1500).filter(str.strip), max_size=41),
)
def test_any_message_is_within_discords_limits(
    state: RunState, words: str, texts: list[str], files: list[FileKind], remarks: list[str]
) -> None:
    subject = run(state, prompt=words, live_status=words, gpu_used=words, progress=0.1, seed=1)
    named = tuple(file(number, kind) for number, kind in enumerate(files))
    succeeded = state is RunState.SUCCEEDED
    prepared = PreparedOutputs(named, tuple(texts), tuple(remarks)) if succeeded else PreparedOutputs()
    messages_of(subject, prepared, words or "x")


UNSEEN: dict[RunState, dict[str, Any]] = {
    RunState.REJECTED: {"decided_by": 5, "decided_at": ASKED, "failure_code": "rejected"},
    RunState.EXPIRED: {"failure_code": "expired"},
    RunState.CANCELLED: {},
    RunState.REFUSED: {"failure_code": "review_unreachable"},
}


@pytest.mark.parametrize("state", UNSEEN)
def test_a_request_that_no_moderator_approved_is_not_shown(state: RunState) -> None:
    more = {"failure_params": {"reason": "a secret reason"}, **UNSEEN[state]}
    asked = run(state, review_channel_id=9, seed=77, gpu="H100", gpu_used="H100", **more)
    for part in outcome(asked, PreparedOutputs()):
        assert not re.search("lighthouse|seed|H100|secret", text(part))


def test_of_a_request_that_waits_for_approval_its_requester_sees_the_prompt() -> None:
    asked = run(RunState.AWAITING_APPROVAL, review_channel_id=9, seed=77, gpu="H100")
    shown = text(status_message([asked], "Flux"))
    assert "> a lighthouse" in shown
    assert not re.search("seed|H100", shown)


def test_an_approved_request_is_shown() -> None:
    approved = run(RunState.RUNNING, review_channel_id=9, decided_by=5, decided_at=ASKED, seed=77)
    assert "> a lighthouse" in text(status_message([approved], "Flux"))
