"""Pages, lines and rows of the audit log, for the snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.domain.moderation.audit import AuditAction, AuditCursor, AuditFilter, AuditPage, StoredEntry
from bot.domain.results.deliveries import MessageRef
from bot.domain.settings.rules_and_defaults import ServerRules, with_values
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.ui.audit import AUDIT_COLUMNS, audit_cells, audit_layout, audit_line
from bot.ui.settings.changes import readable_changes
from tests.unit.factories import made_entry
from tests.unit.ui.messages import ASKED, KEY
from tests.unit.ui.snapshot import of_layout

A = AuditAction
ROLE, OTHER, GONE, CHANNEL = 71, 72, 73, 81
LARGEST = (1 << 63) - 1


def title(name: str) -> str:
    return {"flux": "Flux *dev*"}.get(name, name)


class Server:
    """The names of a server's roles and channels."""

    def role_name(self, role_id: int) -> str:
        return {ROLE: "Staff", OTHER: "Guests"}.get(role_id, str(role_id))

    def channel_name(self, channel_id: int) -> str:
        return {CHANNEL: "#review"}.get(channel_id, str(channel_id))


BETWEEN = {"actor_id": 11, "subject_id": 22, "deployment": "flux", "run_key": KEY}
ASKING = {**BETWEEN, "prompt": "a *red* fox " + "far away " * 20, "message": MessageRef(2, 3)}
OWN = {**BETWEEN, "actor_id": 22}
REFUSED = {"action": A.REFUSAL, "subject_id": 22, "deployment": "flux"}
WORDS = {"rule": "Slurs", "word": "bad*", "option": "prompt"}
CODES = ("budget_runs", "server_budget_gpu_count", "gpu_role_none", "a_rule_of_another_version")
ENTRIES = [
    made_entry(7, **ASKING | {"actor_id": LARGEST}, details={"GPU": "L4"}),
    made_entry(action=A.OUTCOME, **ASKING, outcome="succeeded"),
    made_entry(action=A.OUTCOME, **ASKING, outcome="failed", details={"GPU": "A100", "reason": "no *good*"}),
    made_entry(action=A.OUTCOME, **BETWEEN, outcome=REQUESTER_BLOCKED),
    made_entry(action=A.APPROVE, **BETWEEN),
    made_entry(action=A.APPROVE, **BETWEEN, details={"runs": 4}),
    made_entry(action=A.DELETE, **BETWEEN, details={"runs": 4}),
    made_entry(action=A.OUTCOME, **BETWEEN, outcome="failed", details={"runs": 3, "results": "0 of 3"}),
    made_entry(action=A.REJECT, **BETWEEN, details={"reason": 'say "no"\nthen go'}),
    made_entry(action=A.BLOCK, **BETWEEN, details={"reason": "spam", "ended requests": 2}),
    made_entry(action=A.BLOCK, **BETWEEN, details={"until": "5 May 2026, 12:30 UTC"}),
    made_entry(action=A.DELETE, **BETWEEN),
    made_entry(action=A.DELETE_COPY, **BETWEEN, details={"channel": f"<#{CHANNEL}>"}),
    *(
        made_entry(**OWN, action=action)
        for action in (A.DELETE, A.CANCEL, A.DISCARD, A.REPORT, A.OPEN_PRIVATE, A.SHARE)
    ),
    made_entry(**OWN, action=A.DELETE_COPY),
    made_entry(**OWN, action=A.DELETE, details={"runs": 4}),
    made_entry(**REFUSED, outcome="words_refused", details=WORDS),
    *(made_entry(**REFUSED, outcome=code) for code in CODES),
    made_entry(
        action=A.SETTINGS,
        actor_id=11,
        details={
            "changes": [
                ["Presets", "", r"replaced \*noir\*"],
                ["Decided by", "none", f"<@&{ROLE}>"],
                ["Kept for", "365 days", "30 days"],
            ]
        },
    ),
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


def lines() -> str:
    return "\n".join(audit_line(entry, title) for entry in ENTRIES) + "\n"


def file() -> str:
    rows = [AUDIT_COLUMNS, *(audit_cells(entry, title, Server()) for entry in ENTRIES)]
    return "\n".join(" | ".join(cells) for cells in rows) + "\n"


def changes() -> str:
    """Return each change of settings, as the audit log stores it."""
    edits = ([with_values(ServerRules(), each) for each in pair] for pair in CHANGES)
    shown = (readable_changes(*edit, Server(), title) for edit in edits)
    return "\n".join("; ".join(" | ".join(part) for part in each) for each in shown) + "\n"


def page(entries: list[StoredEntry], *, older: bool) -> str:
    cursor = AuditCursor(ASKED, 1) if older else None
    return of_layout(audit_layout(AuditPage(entries, cursor, None), AuditFilter(), title))


AUDIT: Mapping[str, Callable[[], str]] = {
    "audit": lambda: page(ENTRIES[:3], older=True),
    "audit-only-page": lambda: page(ENTRIES[:1], older=False),
    "audit-nothing": lambda: page([], older=False),
    "audit-lines": lines,
    "audit-file": file,
    "audit-changes": changes,
}
