"""Panels of `/settings`, for the snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from bot.domain.errors import InputError, InputErrors
from bot.domain.settings.fields import Section, SettingControl
from bot.domain.settings.rules_and_defaults import ApprovalMode, ServerRules
from bot.domain.settings.values import DefaultPreset, NotApplied, ReviewChannel, SettingsContext
from bot.ui.settings.panel import Panel, error_lines, panel_layout
from bot.ui.settings.text import describe_changes
from tests.unit.ui.messages import ASKED
from tests.unit.ui.snapshot import of_layout

ROLE, CHANNEL, GONE = 5, 9, 6
AGES = ("account_days", "member_days")
NOIR = DefaultPreset(channel_id=CHANNEL, name="*noir*", deployment="flux", set_at=ASKED, set_by=7)
# Who set it is stored, was erased, and was not yet stored by an earlier version.
DEFAULTS = (
    NOIR,
    replace(NOIR, channel_id=10, deployment="old", set_by=None),
    *(replace(NOIR, channel_id=channel, set_by=None, set_at=None) for channel in range(11, 21)),
)
AROUND = SettingsContext(
    server="Studio",
    role_ids=frozenset({ROLE}),
    channel_ids=frozenset({CHANNEL}),
    deployments={"flux": "Flux", "song": "Song"},
    gpus=("L4", "T4", "A100"),
    review=ReviewChannel(),
)
WITH_DEFAULTS = replace(AROUND, default_presets=DEFAULTS)
UNKNOWN_GPUS = replace(AROUND, gpu_unknown=("Flux",), gpu_not_offered=("Song", "Text"))
PUBLIC = replace(AROUND, review=ReviewChannel(everybody_sees=True))
BARE = SettingsContext(channel_ids=frozenset({CHANNEL}), manages_server=False)
UNREAD = tuple(
    NotApplied(code, "*My* rule")
    for code in (
        *("automod_spam", "automod_unknown", "keyword_empty"),
        *("regex_unsupported", "regex_too_large", "regex_ascii_classes"),
    )
)
# Every rule has an effect.
WHOLE: dict[str, Any] = {
    "reviewer_role_id": ROLE,
    "approval": {
        "mode": "without_roles",
        "review_channel_id": CHANNEL,
        "exempt_roles": [ROLE],
        "deployments": ["flux"],
        "gpus": ["L4"],
        "hours": 5,
    },
    "gpu_roles": {"L4": [ROLE]},
    "deployment_roles": {"flux": [ROLE]},
    "budgets": {"roles": {ROLE: {"at_once": 1}}, "gpu_weights": {"L4": 2}},
    "people": {"account_days": 30, "member_days": 2},
    "gallery_channel_id": CHANNEL,
}
# No rule has its whole effect, because roles, channels, deployments or GPUs are gone.
MISSING: dict[str, Any] = {
    "reviewer_role_id": GONE,
    "approval": {"mode": "selected", "review_channel_id": GONE, "deployments": ["old"], "gpus": ["H100"]},
    "gpu_roles": {"L4": [GONE], "T4": [GONE, ROLE], "A100": [], "H100": [ROLE]},
    "deployment_roles": {"old": [GONE]},
    "budgets": {"roles": {GONE: {"at_once": 1}}, "gpu_weights": {"H100": 2}},
    "people": {"account_days": 30},
    "gallery_channel_id": GONE,
}


def panel(section: Section, rules: Mapping[str, Any], context: SettingsContext = AROUND) -> str:
    return of_layout(panel_layout(Panel(section), ServerRules.model_validate(rules), context))


def approval(mode: ApprovalMode, **more: Any) -> str:
    return panel(Section.APPROVAL, {"approval": {**WHOLE["approval"], "mode": mode, **more}})


def refused() -> str:
    """Return the panel after a form with two mistakes."""
    mistakes = InputErrors([InputError("settings_not_integer", value="*x*", box=box) for box in AGES])
    told = error_lines(mistakes, SettingControl(Section.PEOPLE, "ages"), AROUND)
    shown = Panel(Section.PEOPLE, mistakes=told, again="0123abcd:ages:")
    return of_layout(panel_layout(shown, ServerRules(), AROUND))


def saved() -> str:
    """Return the panel after an edit: the news replace the line about the setting."""
    after = ServerRules(retention_days=7)
    news = describe_changes(ServerRules(), after, AROUND)
    return of_layout(panel_layout(Panel(Section.RECORD, saved=news), after, AROUND))


# The sections that tell whether AutoMod's rules apply.
TELLING = (Section.HOME, Section.WORDS)
AUTOMOD, NO_AUTOMOD = ({"words": {"automod": applied}} for applied in (True, False))
AWAY = replace(AROUND, automod_away=True)
SETTINGS: Mapping[str, Callable[[], str]] = {
    **{f"settings-{each}": partial(panel, each, WHOLE) for each in Section},
    **{f"settings-{each}-missing": partial(panel, each, MISSING) for each in Section},
    **{f"settings-{each}-bare": partial(panel, each, WHOLE, BARE) for each in Section},
    **{f"settings-approval-{mode}": partial(approval, mode) for mode in ApprovalMode},
    **{f"settings-{each}-automod": partial(panel, each, AUTOMOD, BARE) for each in TELLING},
    **{f"settings-{each}-no-automod": partial(panel, each, NO_AUTOMOD, BARE) for each in TELLING},
    **{f"settings-{each}-away": partial(panel, each, {}, AWAY) for each in TELLING},
    "settings-approval-public": partial(panel, Section.APPROVAL, WHOLE, PUBLIC),
    "settings-approval-no-channel": lambda: approval(ApprovalMode.OFF, review_channel_id=None),
    "settings-approval-gone-channel": lambda: approval(ApprovalMode.OFF, review_channel_id=GONE),
    "settings-approval-of-all": lambda: approval(ApprovalMode.WITHOUT_ROLES, exempt_roles=[GONE]),
    "settings-approval-of-some": lambda: approval(ApprovalMode.WITHOUT_ROLES, exempt_roles=[GONE, ROLE]),
    "settings-gpus-unknown": lambda: panel(Section.GPUS, WHOLE, UNKNOWN_GPUS),
    "settings-home-default": lambda: panel(Section.HOME, {}, BARE),
    "settings-home-members": lambda: panel(Section.HOME, {"people": {"member_days": 2}}),
    "settings-words-unread": lambda: panel(Section.WORDS, {}, replace(AROUND, automod_unread=UNREAD)),
    "settings-record-saved": saved,
    "settings-results-defaults": partial(panel, Section.RESULTS, {}, WITH_DEFAULTS),
    "settings-people-refused": refused,
}
