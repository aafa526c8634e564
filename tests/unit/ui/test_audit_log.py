"""The lines of `/audit`, and the rows of its file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.messages import MessageRef
from bot.domain.moderation import AuditAction
from bot.domain.text import escape_line
from bot.ui.audit import audit_cells, audit_line
from tests.unit.factories import made_entry

A = AuditAction
NOW = made_entry().entry.at
LARGEST = (1 << 63) - 1
SERVER: Any = SimpleNamespace(  # what discord.py has in its cache
    get_role=lambda id: SimpleNamespace(name="Staff") if id == 71 else None,
    get_channel=lambda id: SimpleNamespace(name="review") if id == 81 else None,
)


@pytest.mark.parametrize("action", AuditAction)
def test_every_action_has_a_line_of_its_own(action: AuditAction) -> None:
    stored = made_entry(action=action, actor_id=11, subject_id=22, deployment="flux")
    told = audit_line(stored, str)
    assert "Something went wrong" not in told + " ".join(audit_cells(stored, str, SERVER))
    assert told.endswith(f"\n-# <t:{int(NOW.timestamp())}:f>")
    assert "<@11>" in told or "<@22>" in told


def test_the_file_names_roles_and_channels_but_nothing_that_somebody_typed() -> None:
    changes = [["Channel", "none", "<#81> <#82>"], ["Who", "<@&72>", r"<@&71> \<@&71>"]]
    stored = made_entry(action=A.SETTINGS, actor_id=11, details={"changes": changes})
    assert audit_cells(stored, str, SERVER)[-1] == "Channel: none → #review 82; Who: 72 → Staff <@&71>"


def test_a_change_too_long_for_a_line_is_truncated_there_but_not_in_the_file() -> None:
    changes = [[f"GPU{number}", "everybody", "<@&71>"] for number in range(30)]
    several = made_entry(action=A.SETTINGS, actor_id=11, details={"changes": changes[:]})
    assert " …\n" in audit_line(several, str)
    changes[0][2] = "<@&71> " * 60
    stored = made_entry(action=A.SETTINGS, actor_id=11, details={"changes": changes})
    told = audit_line(stored, str)
    assert "GPU0: everybody → <@&71>" in told
    assert len(told) <= 345
    assert audit_cells(stored, str, SERVER)[-1].count("everybody → Staff") == 30


@pytest.mark.parametrize("reason", ["not *here*", "r" * 80, "*" * 500])
@pytest.mark.parametrize("prompt", ["*" * 300, "a fox"])
def test_a_long_prompt_leaves_space_for_the_reason(prompt: str, reason: str) -> None:
    about = {"actor_id": LARGEST, "subject_id": LARGEST - 1, "deployment": "flux", "run_key": "k" * 16}
    place = MessageRef(LARGEST, LARGEST)
    stored = made_entry(action=A.REJECT, **about, details={"reason": reason}, prompt=prompt, message=place)
    told = audit_line(stored, str)
    assert f" · reason: {escape_line(reason, 80)[:60]}" in told
    assert len(told) <= 345
    assert reason in audit_cells(stored, str, SERVER)[-1]
