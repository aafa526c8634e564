"""The lines of `/audit`, and the rows of its file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.messages.records import MessageRef
from bot.domain.moderation import AuditAction
from bot.ui.audit import AUDIT_COLUMNS, audit_cells, audit_line
from tests.unit.factories import made_entry
from tests.unit.ui.about_servers import audit_entries
from tests.unit.ui.snapshot import compare

NOW = made_entry().entry.at
LARGEST = (1 << 63) - 1


class Server:
    """A server in the cache of discord.py, with a role and a channel."""

    def get_role(self, role_id: int) -> object:
        return SimpleNamespace(name="Staff") if role_id == 71 else None

    def get_channel(self, channel_id: int) -> object:
        return SimpleNamespace(name="review") if channel_id == 81 else None


SERVER: Any = Server()


def test_the_file_is_as_in_its_snapshot() -> None:
    rows = [AUDIT_COLUMNS, *(audit_cells(entry, str, SERVER) for entry in audit_entries(str))]
    compare("audit_file", "\n".join(" | ".join(cells) for cells in rows) + "\n")


@pytest.mark.parametrize("action", AuditAction)
def test_every_action_has_a_line_of_its_own(action: AuditAction) -> None:
    stored = made_entry(action=action, actor_id=11, subject_id=22, deployment="flux")
    told = audit_line(stored, str)
    assert "Something went wrong" not in told + " ".join(audit_cells(stored, str, SERVER))
    assert told.endswith(f"\n-# <t:{int(NOW.timestamp())}:f>")
    assert "<@11>" in told or "<@22>" in told


def test_a_change_too_long_for_a_line_is_truncated_there_but_not_in_the_file() -> None:
    changes = [[f"GPU{number}", "everybody", "<@&71>"] for number in range(30)]
    stored = made_entry(action=AuditAction.SETTINGS, actor_id=11, details={"changes": changes})
    told = audit_line(stored, str)
    assert "GPU0: everybody → <@&71>" in told
    assert " …\n" in told
    assert audit_cells(stored, str, SERVER)[-1].count("everybody → Staff") == 30


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("not *here*", r"not \*here\*"), ("r" * 80, "r" * 80), ("*" * 500, r"\*" * 40)],
    ids=["short", "long", "escaped"],
)
@pytest.mark.parametrize("prompt", ["*" * 300, "p" * 300, "a fox"], ids=["escaped", "long", "short"])
def test_a_long_prompt_leaves_space_for_the_reason(prompt: str, reason: str, shown: str) -> None:
    stored = made_entry(
        action=AuditAction.REJECT,
        actor_id=LARGEST,
        subject_id=LARGEST - 1,
        deployment="flux",
        run_key="k" * 16,
        details={"reason": reason},
        prompt=prompt,
        message=MessageRef(LARGEST, LARGEST),
    )
    told = audit_line(stored, str)
    assert f" · reason: {shown}" in told
    assert "prompt “" in told or " …\n" in told
    assert len(told) <= 345
    assert reason in audit_cells(stored, str, SERVER)[-1]
