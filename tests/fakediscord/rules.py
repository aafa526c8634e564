"""Discord's rules for messages and modals. A mistake is answered by 50035 with the field."""

from __future__ import annotations

import re
from collections.abc import Collection

from tests.fakediscord.components import attachment_references, walk
from tests.fakediscord.errors import ApiError, Json, Sizes, check_sizes, invalid
from tests.fakediscord.world import COMPONENTS_V2

V2_COMPONENTS = 40
V2_TEXT = 4000
ATTACHMENTS = 10
ACTION_ROW, BUTTON, SELECT, INPUT, TEXT_DISPLAY = 1, 2, 3, 4, 10
LINK_BUTTON = 5
_MESSAGE: Sizes = {"content": (0, 2000), "nonce": (0, 25)}
_MODAL: Sizes = {"title": (1, 45), "custom_id": (1, 100), "components": (1, 5)}
_LINK: Sizes = {"label": (0, 80), "url": (1, 512)}
_SELECT: Sizes = {"placeholder": (0, 150), "custom_id": (1, 100)}
_COMPONENTS: dict[int, Sizes] = {
    ACTION_ROW: {"components": (1, 5)},
    BUTTON: {"label": (0, 80), "custom_id": (1, 100)},
    SELECT: _SELECT | {"options": (1, 25)},
    INPUT: {"custom_id": (1, 100), "placeholder": (0, 100)},
    **dict.fromkeys((5, 6, 7, 8), _SELECT),
    12: {"items": (1, 10)},
    18: {"label": (1, 45), "description": (0, 100)},
    21: {"options": (2, 10)},
}


def check_message(body: Json, filenames: Collection[str]) -> None:
    """Check a message. `body` is the whole message, `filenames` are those of all its attachments."""
    v2 = bool(int(body.get("flags") or 0) & COMPONENTS_V2)
    content, components = body.get("content"), body.get("components") or []
    check_sizes("message", body, _MESSAGE)
    if v2 and content:
        raise invalid("content", "Not with components v2.")
    if len(filenames) > ATTACHMENTS:
        raise invalid("attachments", f"Must be {ATTACHMENTS} or fewer in length.")
    _check_components(components, v2=v2)
    for name in attachment_references(body):
        if name not in filenames:
            raise invalid("components", f"There is no attachment {name}.")
    if not (content or components or filenames):
        raise ApiError(50006)
    allowed = body.get("allowed_mentions") or {}
    for kind in ("users", "roles"):
        if kind in (allowed.get("parse") or []) and allowed.get(kind):
            raise invalid("allowed_mentions", f"parse and {kind} are mutually exclusive.")
    check_sizes("allowed_mentions", allowed, {"users": (0, 100), "roles": (0, 100)})


def _check_components(components: list[Json], *, v2: bool) -> None:
    nested = list(walk(components))
    if v2:
        texts = [str(c.get("content") or "") for c in nested if c["type"] == TEXT_DISPLAY]
        if len(nested) > V2_COMPONENTS or not all(texts) or sum(map(len, texts)) > V2_TEXT:
            raise invalid("components", "At most 40 components, and 4000 characters in texts, none empty.")
    elif len(components) > 5 or any(c["type"] != ACTION_ROW for c in components):
        raise invalid("components", "At most five action rows.")
    custom_ids = [c["custom_id"] for c in nested if "custom_id" in c]
    if len(custom_ids) != len(set(custom_ids)):
        raise invalid("components", "Component custom id cannot be duplicated")
    for component in nested:
        _check_component(component)


def _check_component(component: Json) -> None:
    kind = component["type"]
    if kind == BUTTON and component.get("style") == LINK_BUTTON:
        check_sizes("components", component, _LINK)
        if not re.match(r"(https?|discord)://", str(component.get("url") or "")):
            raise invalid("components.url", "Not a well formed URL.")
    elif kind in _COMPONENTS:
        check_sizes("components", component, _COMPONENTS[kind])


def check_modal(data: Json) -> None:
    check_sizes("data", data, _MODAL)
    for item in walk(data["components"]):
        _check_component(item)
        if item["type"] == INPUT:
            check_sizes("data.components", item, {"value": (0, int(item.get("max_length") or 4000))})


def pings(text: str, allowed: Json | None) -> frozenset[int]:
    """Return the users that a new message pings."""
    mentioned = {int(found) for found in re.findall(r"<@!?(\d+)>", text)}
    if allowed is not None and "users" not in (allowed.get("parse") or []):
        mentioned &= {int(user) for user in allowed.get("users") or []}
    return frozenset(mentioned)
