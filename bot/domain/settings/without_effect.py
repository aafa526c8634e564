"""Decide which settings have no effect, because they need another setting or name something deleted.

Reasons are returned as codes of sentences.
"""

from __future__ import annotations

from collections.abc import Collection

from bot.domain.settings.fields import Field
from bot.domain.settings.rules_and_defaults import ApprovalMode, Ids, ServerRules
from bot.domain.settings.values import Names, SettingsContext


def unmet(field: Field, rules: ServerRules, context: SettingsContext) -> str | None:
    """Return the code of the sentence that says what has to be set before a field has an effect.

    Return None if the field already has an effect.
    """
    approval = rules.approval
    if approval.mode not in field.modes:
        return f"settings_needs_{next(iter(field.modes)).value if len(field.modes) == 1 else 'approval'}"
    is_off = approval.mode is ApprovalMode.OFF
    if field.path == "approval.mode" and is_off and approval.review_channel_id not in context.channel_ids:
        return "settings_needs_review_channel"
    return None


def nothing_waits(rules: ServerRules, context: SettingsContext) -> bool:
    """Return whether approval is limited to selected deployments and GPUs, but no selected one is offered."""
    approval = rules.approval
    is_chosen = approval.deployments & context.deployments.keys() or approval.gpus & set(context.gpus)
    return approval.mode is ApprovalMode.SELECTED and not is_chosen


def note_on_name(name: str, names: Names, context: SettingsContext) -> str | None:
    """Return the note on a rule whose GPU or deployment isn't offered any more, or None if it is offered."""
    return None if name in context.offered(names) else "settings_note_not_offered"


def note_on_names(names: Collection[str], kind: Names, context: SettingsContext) -> str | None:
    """Return the note on a list with GPUs or deployments that aren't offered any more, or None."""
    return "settings_note_some_not_offered" if set(names) - context.offered(kind).keys() else None


def note_on_roles(roles: Ids, context: SettingsContext, without: str) -> str | None:
    """Return `without` if none of the roles exists, a note if some were deleted, and None if all exist."""
    if not roles & context.role_ids:
        return without
    return "settings_note_some_deleted" if roles - context.role_ids else None


def note_on_role(role: int | None, context: SettingsContext, deleted: str) -> str | None:
    """Return `deleted` if the role was deleted, otherwise None."""
    return deleted if role is not None and role not in context.role_ids else None
