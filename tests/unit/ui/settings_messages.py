"""Panels and forms of `/settings`, for the snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from bot.domain.errors import InputError, InputErrors
from bot.domain.settings.fields import SECTIONS, describe_changes, form_of, keys_of
from bot.domain.settings.kinds import Names, NotApplied, ReviewChannel, SettingsContext
from bot.domain.settings.rules_and_defaults import ApprovalMode, ServerRules
from bot.strings import explain
from bot.ui.custom_ids import SettingId
from bot.ui.settings import Panel, panel_layout, settings_modal
from tests.unit.ui.snapshot import of_layout, of_modal

ROLE, CHANNEL, GONE = 5, 9, 6
AROUND = SettingsContext(
    server="Studio",
    role_ids=frozenset({ROLE}),
    channel_ids=frozenset({CHANNEL}),
    deployments={"flux": "Flux", "song": "Song"},
    gpus=("L4", "T4", "A100"),
    review=ReviewChannel(),
)
TROUBLED = replace(
    AROUND,
    review=ReviewChannel(missing=("View Channel",), everybody_sees=True),
    gpu_unknown=("Flux",),
    gpu_not_offered=("Song", "Text"),
    gallery_lacks=("Attach Files",),
    default_presets=dict.fromkeys(range(11, 21), "*noir*"),
    unreadable=("spoiler",),
    automod_unread=tuple(
        NotApplied(code, "*My* rule")
        for code in (
            *("automod_spam", "automod_unknown", "keyword_empty"),
            *("regex_unsupported", "regex_too_large", "regex_ascii_classes"),
        )
    ),
)
BARE = SettingsContext(channel_ids=frozenset({CHANNEL}), manages_server=False)
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
    "words": {"blocked": ["badger", "fox*"]},
    "gpu_roles": {"L4": [ROLE]},
    "deployment_roles": {"flux": [ROLE]},
    "budgets": {"roles": {ROLE: {"at_once": 1, "unlimited": True}}, "gpu_weights": {"L4": 2}},
    "people": {"account_days": 30, "member_days": 1},
    "gallery_channel_id": CHANNEL,
    "private_results": True,
    "pictures": {"flagged": "hold", "exempt_roles": [ROLE], "exempt_deployments": ["flux"]},
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
KEYS = {None: None, Names.ROLE: ROLE, Names.GPU: "L4", Names.DEPLOYMENT: "flux"}
PAGES = ("roles", "gpus", "deployments")


def panel(rules: Mapping[str, Any], section: str = "", context: SettingsContext = AROUND) -> str:
    shown = Panel(SECTIONS.get(section), parts=1)
    return of_layout(panel_layout(shown, ServerRules.model_validate(rules), context))


def approval(mode: ApprovalMode) -> str:
    return panel({"approval": {**WHOLE["approval"], "mode": mode}})


def form(section: str) -> str:
    mode = {"approval": {**WHOLE["approval"], "mode": "selected"}} if section == "selected" else {}
    there, rules = SECTIONS[section], ServerRules.model_validate({**WHOLE, **mode})
    key = KEYS[keys_of(there)]
    return of_modal(settings_modal(there, key, 0, str(key or ""), form_of(there, key, rules, AROUND)))


def edited() -> str:
    """Return the panel after a form of which a part was saved, and a part had been changed meanwhile."""
    after = ServerRules(retention_days=7)
    stale = InputErrors([InputError("settings_changed_meanwhile", label="Spoilers", now="always")])
    shown = Panel(
        saved=describe_changes(ServerRules(), after, AROUND),
        mistakes=[explain(stale)],
        again=SettingId("results", "again", "0123abcd"),
    )
    return of_layout(panel_layout(shown, after, AROUND))


SETTINGS: Mapping[str, Callable[[], str]] = {
    "settings": partial(panel, {}),
    "settings-whole": partial(panel, WHOLE),
    "settings-missing": partial(panel, MISSING),
    "settings-bare": partial(panel, WHOLE, "", BARE),
    "settings-troubled": partial(panel, WHOLE, "", TROUBLED),
    "settings-away": partial(panel, {}, "", replace(AROUND, automod_away=True)),
    "settings-automod": partial(panel, {"words": {"automod": True}}, "", BARE),
    "settings-no-automod": partial(panel, {"words": {"automod": False}}, "", BARE),
    "settings-edited": edited,
    **{f"settings-approval-{mode}": partial(approval, mode) for mode in ApprovalMode},
    **{f"settings-{each}": partial(panel, WHOLE, each) for each in PAGES},
    **{f"settings-{each}-missing": partial(panel, MISSING, each) for each in PAGES},
    **{f"settings-form-{each}": partial(form, each) for each in SECTIONS},
}
