"""Runs, presets and audit entries as the store would return them, and the context, for tests of one part."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from bot.config.settings import Settings
from bot.context import App, Troubles
from bot.domain.moderation import AuditAction, AuditEntry, Block, StoredEntry
from bot.domain.requests import Holder, Preset
from bot.domain.runs import Run, RunState

_PLAIN = Run(
    key="abcdefghij234567",
    state=RunState.SUCCEEDED,
    created_at=datetime(2026, 5, 4, 12, 30, tzinfo=UTC),
    requester_id=42,
    guild_id=1,
    channel_id=2,
    deployment="flux",
    deployment_id="d",
    inputs={},
    request_key="abcdefghij234567",
)


SETTINGS = Settings.model_validate(
    {
        "discord_token": "a.b.c-0123456789",
        "comfydeploy_api_key": "k",
        "comfydeploy_deployment_id": "98244b49-9b56-46b8-83c8-334f27412095",
    }
)


def app_with(**parts: Any) -> App:
    """Return a context that has only these parts and the default settings."""
    others = dict.fromkeys(field.name for field in fields(App))
    return App(**{**others, "settings": SETTINGS, "troubles": Troubles(), **parts})


def made_run(state: RunState = RunState.SUCCEEDED, **changes: Any) -> Run:
    """Return a run, by default a batch of one."""
    return replace(_PLAIN, state=state, **{"request_key": changes.get("key", _PLAIN.key), **changes})


def made_preset(name: str = "noir", **changes: Any) -> Preset:
    return Preset(
        **{
            "holder": Holder.PERSON,
            "holder_id": 1,
            "name": name,
            "deployment": "flux",
            "inputs": {},
            "gpu": None,
            "created_at": _PLAIN.created_at,
            "created_by": 1,
            **changes,
        }
    )


def made_block(reason: str | None = "spam", until: datetime | None = None, **changes: Any) -> Block:
    """Return a block of user 8 by moderator 9."""
    created = {"created_at": datetime(2026, 5, 4, 12, 30, 15, 123456, tzinfo=UTC), "created_by": 9}
    return Block(**{"guild_id": 1, "user_id": 8, "reason": reason, "until": until, **created, **changes})


def made_entry(number: int = 1, **changes: Any) -> StoredEntry:
    """Return an entry; `prompt` and `message` are those of its request."""
    at = datetime(2026, 5, 4, 12, 30, 15, 123456, tzinfo=UTC)
    known = {name: changes.pop(name) for name in ("prompt", "message", "may_open") if name in changes}
    entry = AuditEntry(**{"at": at, "guild_id": 1, "action": AuditAction.REQUEST, **changes})
    return StoredEntry(number, entry, **known)
