"""What is hidden: from a channel before a moderator agreed, and behind a click where a server wants that."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bot.domain.runs import FINAL, RunState
from bot.ui.components import PreparedOutputs
from bot.ui.status import status_message
from tests.unit.ui.messages import ASKED, assert_within_limits, components, file, outcome, run, text


def test_a_hidden_result_hides_its_pictures_and_its_words() -> None:
    hidden = run(RunState.SUCCEEDED, spoiler=True)
    (part,) = outcome(hidden, PreparedOutputs((file(1), file(2)), texts=("some `words`",)))
    shown = [i for c in components(part) if c["type"] == 12 for i in c["items"]]
    assert [item["spoiler"] for item in shown] == [True, True]
    assert "||some \\`words\\`||" in text(part)


UNSEEN: dict[RunState, dict[str, Any]] = {
    RunState.AWAITING_APPROVAL: {},
    RunState.REJECTED: {"decided_by": 5, "decided_at": ASKED, "failure_code": "rejected"},
    RunState.EXPIRED: {"failure_code": "expired"},
    RunState.CANCELLED: {},
    RunState.REFUSED: {"failure_code": "review_unreachable"},
}


@pytest.mark.parametrize("state", UNSEEN)
def test_what_nobody_agreed_to_is_not_shown(state: RunState) -> None:
    more = {"failure_params": {"reason": "a secret reason"}, **UNSEEN[state]}
    asked = run(state, review_channel_id=9, seed=77, gpu="H100", gpu_used="H100", **more)
    parts = outcome(asked, PreparedOutputs()) if state in FINAL else [status_message([asked], "Flux")]
    for part in parts:
        assert not re.search("lighthouse|seed|H100|secret", text(part))
        assert_within_limits(part)


def test_what_was_approved_is_shown_as_ever() -> None:
    approved = run(RunState.RUNNING, review_channel_id=9, decided_by=5, decided_at=ASKED, seed=77)
    assert "> a lighthouse" in text(status_message([approved], "Flux"))
