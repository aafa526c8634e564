"""The buttons of `/audit`, and its lines within Discord's limits. The snapshots have them whole."""

from __future__ import annotations

import pytest

from bot.domain.messages.records import MessageRef
from bot.domain.moderation import AuditAction
from bot.domain.pages import PAGE_SIZE
from bot.ui.audit import AuditId, audit_cells, audit_layout, audit_line
from tests.unit.factories import made_entry
from tests.unit.ui.audit_messages import LARGEST, ROLE, SERVER, title
from tests.unit.ui.messages import components

NOW = made_entry().entry.at


@pytest.mark.parametrize("action", AuditAction)
def test_every_action_has_a_line_of_its_own(action: AuditAction) -> None:
    stored = made_entry(action=action, actor_id=11, subject_id=22, deployment="flux")
    told = audit_line(stored, title)
    assert "Something went wrong" not in told + " ".join(audit_cells(stored, title, SERVER))
    assert told.endswith(f"\n-# <t:{int(NOW.timestamp())}:f>")
    assert "<@11>" in told or "<@22>" in told


def test_a_change_too_long_for_a_line_is_truncated_there_but_not_in_the_file() -> None:
    changes = [[f"GPU{number}", "everybody", f"<@&{ROLE}>"] for number in range(30)]
    stored = made_entry(action=AuditAction.SETTINGS, actor_id=11, details={"changes": changes})
    told = audit_line(stored, title)
    assert f"GPU0: everybody → <@&{ROLE}>" in told
    assert " …\n" in told
    assert audit_cells(stored, title, SERVER)[-1].count("everybody → Staff") == 30


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("not *here*", r"not \*here\*"),
        ("we want no weapons here, and this has three of them at once", None),
        ("r" * 80, None),
        ("*" * 500, r"\*" * 40),
    ],
)
@pytest.mark.parametrize("prompt", ["*" * 300, "p" * 300, "a fox"])
def test_a_long_prompt_leaves_space_for_the_reason(prompt: str, reason: str, shown: str | None) -> None:
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
    told = audit_line(stored, title)
    assert f" · reason: {shown or reason}" in told
    assert ("prompt “" in told) or " …\n" in told
    assert len(told) <= 345
    assert reason in audit_cells(stored, title, SERVER)[-1]


def test_a_page_with_the_longest_of_everything_fits_into_one_message() -> None:
    worst = {
        "action": AuditAction.OUTCOME,
        "actor_id": LARGEST,
        "subject_id": LARGEST,
        "deployment": "*" * 64,
        "outcome": "_" * 40,
        "run_key": "k" * 20,
        "details": {"runs": 10, "GPU": "*" * 99, "reason": "*" * 999, "*" * 99: "*" * 999},
        "prompt": "*" * 999,
        "message": MessageRef(LARGEST, LARGEST),
        "may_open": True,
    }
    current = AuditId(
        page=99999,
        subject=LARGEST,
        actor=LARGEST,
        deployment="*" * 32,
        outcome="timed_out",
        action=AuditAction.DISMISS,
        since=3650,
        until=3649,
    )
    page = [made_entry(number, **worst) for number in range(PAGE_SIZE)]
    layout = audit_layout(page, current, title, more=True)
    assert layout.content_length() <= 4000
    assert len(components(layout)) <= 40
    assert not any(c["disabled"] for c in components(layout) if c["type"] == 2)
