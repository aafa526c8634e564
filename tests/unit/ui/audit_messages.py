"""Pages, lines and rows of the audit log, for the snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from bot.domain.messages.records import MessageRef
from bot.domain.moderation import AuditAction, StoredEntry
from bot.domain.runs import REQUESTER_BLOCKED
from bot.ui.audit import AUDIT_COLUMNS, AuditId, audit_cells, audit_layout, audit_line
from tests.unit.factories import made_entry
from tests.unit.ui.messages import KEY
from tests.unit.ui.snapshot import of_layout

A = AuditAction
ROLE, CHANNEL = 71, 81
LARGEST = (1 << 63) - 1


def title(name: str) -> str:
    return {"flux": "Flux *dev*"}.get(name, name)


class Server:
    """A server in the cache of discord.py, with a role and a channel."""

    def get_role(self, role_id: int) -> object:
        return SimpleNamespace(name="Staff") if role_id == ROLE else None

    def get_channel(self, channel_id: int) -> object:
        return SimpleNamespace(name="review") if channel_id == CHANNEL else None


SERVER: Any = Server()
BETWEEN = {"actor_id": 11, "subject_id": 22, "deployment": "flux", "run_key": KEY}
ASKING = {**BETWEEN, "prompt": "a *red* fox " + "far away " * 20, "message": MessageRef(2, 3)}
OWN = {**BETWEEN, "actor_id": 22}
REFUSED = {"action": A.REFUSAL, "subject_id": 22, "deployment": "flux"}
WORDS = {"rule": "Slurs", "word": "bad*", "option": "prompt"}
CODES = ("budget_runs", "server_budget_gpu_count", "gpu_role_none", "a_rule_of_another_version")
CHANGES = [["Review channel", "none", f"<#{CHANNEL}>"], ["H100 · Who may use it", "everybody", f"<@&{ROLE}>"]]
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
    made_entry(action=A.SETTINGS, actor_id=11, details={"changes": CHANGES}),
    made_entry(
        action=A.SETTINGS, actor_id=11, details={"changes": [["List", "none", "word, " * 99], *CHANGES]}
    ),
]


def lines() -> str:
    return "\n".join(audit_line(entry, title) for entry in ENTRIES) + "\n"


def file() -> str:
    rows = [AUDIT_COLUMNS, *(audit_cells(entry, title, SERVER) for entry in ENTRIES)]
    return "\n".join(" | ".join(cells) for cells in rows) + "\n"


def page(entries: list[StoredEntry], *, older: bool) -> str:
    return of_layout(audit_layout(entries, AuditId(page=0), title, more=older))


AUDIT: Mapping[str, Callable[[], str]] = {
    "audit": lambda: page(ENTRIES[:3], older=True),
    "audit-only-page": lambda: page(ENTRIES[:1], older=False),
    "audit-nothing": lambda: page([], older=False),
    "audit-lines": lines,
    "audit-file": file,
}
