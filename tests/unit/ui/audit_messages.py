"""Pages, lines and rows of the audit log, for the snapshots."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from bot.domain.messages.records import MessageRef
from bot.domain.moderation.audit import AuditAction, AuditCursor, AuditFilter, AuditPage, StoredEntry
from bot.domain.settings.rules_and_defaults import ServerRules, diff_rules, with_values
from bot.domain.settings.values import SettingsContext
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.ui.audit import AUDIT_COLUMNS, audit_cells, audit_layout, audit_line
from bot.ui.settings.changes import in_file, in_message, stored_changes
from tests.unit.factories import made_entry
from tests.unit.ui.messages import ASKED, KEY
from tests.unit.ui.snapshot import of_layout

A = AuditAction
ROLE, OTHER, GONE, CHANNEL = 71, 72, 73, 81
LARGEST = (1 << 63) - 1


def title(name: str) -> str:
    return {"flux": "Flux *dev*"}.get(name, name)


NAMING = in_message(
    SettingsContext(role_ids=frozenset({ROLE, OTHER}), channel_ids=frozenset({CHANNEL})), title
)
PLAIN = in_file(
    {ROLE: "Staff", OTHER: "Guests", GONE: "73"}.__getitem__, {CHANNEL: "#review"}.__getitem__, title
)
BETWEEN = {"actor_id": 11, "subject_id": 22, "deployment": "flux", "run_key": KEY}
ASKING = {**BETWEEN, "prompt": "a *red* fox " + "far away " * 20, "message": MessageRef(2, 3)}
OWN = {**BETWEEN, "actor_id": 22}
REFUSED = {"action": A.REFUSAL, "subject_id": 22, "deployment": "flux"}
WORDS = {"rule": "Slurs", "word": "bad*", "option": "prompt"}
CODES = ("budget_runs", "server_budget_gpu_count", "gpu_role_none", "a_rule_of_another_version")
ENTRIES = [
    made_entry(7, **ASKING | {"actor_id": LARGEST}, details={"gpu": "L4"}),
    made_entry(action=A.OUTCOME, **ASKING, outcome="succeeded"),
    made_entry(action=A.OUTCOME, **ASKING, outcome="failed", details={"gpu": "A100", "reason": "no *good*"}),
    made_entry(action=A.OUTCOME, **BETWEEN, outcome=REQUESTER_BLOCKED),
    made_entry(action=A.APPROVE, **BETWEEN),
    made_entry(action=A.APPROVE, **BETWEEN, request_key="b" * 16, count=4),
    made_entry(action=A.DELETE, **BETWEEN, request_key="b" * 16, count=4),
    made_entry(action=A.OUTCOME, **BETWEEN, outcome="failed", request_key="b" * 16, count=3),
    made_entry(action=A.REJECT, **BETWEEN, details={"reason": 'say "no"\nthen go'}),
    made_entry(action=A.BLOCK, **BETWEEN, details={"reason": "spam", "ended": 2}),
    made_entry(action=A.BLOCK, **BETWEEN, details={"until": "2026-05-05T12:30:00+00:00", "ended": 1}),
    made_entry(action=A.DELETE, **BETWEEN),
    made_entry(action=A.DELETE, **BETWEEN, details={"copy": True, "channel": str(CHANNEL)}),
    *(
        made_entry(**OWN, action=action)
        for action in (A.DELETE, A.CANCEL, A.DISCARD, A.REPORT, A.OPEN_PRIVATE, A.SHARE)
    ),
    made_entry(**OWN, action=A.DELETE, details={"copy": True}),
    made_entry(**OWN, action=A.DELETE, request_key="b" * 16, count=4),
    made_entry(**REFUSED, outcome="words_refused", details=WORDS),
    *(made_entry(**REFUSED, outcome=code) for code in CODES),
    made_entry(action=A.SETTINGS, actor_id=11, details={"changes": {"presets": {"replaced": ["*noir*"]}}}),
    # Earlier versions stored no changes.
    made_entry(action=A.SETTINGS, actor_id=11, details={"what": "approval.hours"}),
    made_entry(action=A.SETTINGS, actor_id=11, details={"what": "+ preset *noir*"}),
]
# Rules before and after a change.
CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"approval.mode": "everybody", "approval.review_channel_id": CHANNEL}),
    ({"reviewer_role_id": GONE}, {"reviewer_role_id": ROLE}),
    (
        {"approval.exempt_roles": {ROLE}, "approval.gpus": {"A100"}},
        {"approval.exempt_roles": {OTHER}, "approval.gpus": {"A100", "H*"}, "approval.deployments": {"flux"}},
    ),
    ({}, {"budgets.person": {"at_once": 5, "waiting": 10, "runs_a_day": 1000}}),
    ({"budgets.roles": {OTHER: {"unlimited": True}}}, {"budgets.roles": {ROLE: {"at_once": 5}}}),
    (
        {"gpu_roles": {"A100": {ROLE}}, "deployment_roles": {"flux": {ROLE}}},
        {"gpu_roles": {"A100": {ROLE, OTHER}}, "deployment_roles": {}},
    ),
    ({}, {"gpu_roles": {"RTX.4090": set()}, "budgets.gpu_weights": {"H100": 2.5}}),
    (
        {"people.account_days": 1},
        {"people.member_days": 7, "retention_days": 30, "spoiler": "always", "words.automod": False},
    ),
    ({"words.blocked": ("*a*",)}, {"words.blocked": ("b",)}),
]
FROM_EARLIER_VERSIONS = {
    "gpu_roles.A100": {"added": [ROLE], "removed": []},
    "approval.colour": {"from": "red", "to": None},
}


def lines() -> str:
    return "\n".join(audit_line(entry, NAMING) for entry in ENTRIES) + "\n"


def file() -> str:
    rows = [AUDIT_COLUMNS, *(audit_cells(entry, PLAIN) for entry in ENTRIES)]
    return "\n".join(" | ".join(cells) for cells in rows) + "\n"


def changes() -> str:
    """Return each change of settings, as the store keeps it, in the message and in the file."""
    differences = [diff_rules(*(with_values(ServerRules(), each) for each in pair)) for pair in CHANGES]
    stored = json.loads(json.dumps([*differences, FROM_EARLIER_VERSIONS]))
    shown = [stored_changes(each, naming) for each in stored for naming in (NAMING, PLAIN)]
    return "\n".join("; ".join(" ".join(part) for part in each) for each in shown) + "\n"


def page(entries: list[StoredEntry], *, older: bool) -> str:
    cursor = AuditCursor(ASKED, 1) if older else None
    return of_layout(audit_layout(AuditPage(entries, cursor, None), AuditFilter(), NAMING))


AUDIT: Mapping[str, Callable[[], str]] = {
    "audit": lambda: page(ENTRIES[:3], older=True),
    "audit-only-page": lambda: page(ENTRIES[:1], older=False),
    "audit-nothing": lambda: page([], older=False),
    "audit-lines": lines,
    "audit-file": file,
    "audit-changes": changes,
}
