"""Discord's rules for messages and modals, each with its error code."""

from __future__ import annotations

import re
from collections.abc import Collection

from tests.fakediscord.components import attachment_references, walk
from tests.fakediscord.errors import ApiError, Json, check_length, invalid
from tests.fakediscord.world import COMPONENTS_V2

MESSAGE_LENGTH = 2000
V2_COMPONENTS = 40
V2_TEXT = 4000
ATTACHMENTS = 10
ACTION_ROW, BUTTON, TEXT_DISPLAY, MEDIA_GALLERY = 1, 2, 10, 12
LINK_BUTTON = 5
_V2_ONLY = frozenset({9, TEXT_DISPLAY, 11, MEDIA_GALLERY, 13, 14, 17})
_SELECTS = frozenset({3, 5, 6, 7, 8})


def check_message(body: Json, filenames: Collection[str]) -> None:
    """Check a message. `body` is the whole message, `filenames` are those of all its attachments."""
    v2 = bool(int(body.get("flags") or 0) & COMPONENTS_V2)
    content, embeds, components = body.get("content"), body.get("embeds") or [], body.get("components") or []
    check_length("content", content, MESSAGE_LENGTH)
    if v2 and (content or embeds):
        field = "content" if content else "embeds"
        raise invalid(field, "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", "Not with components v2.")
    if len(filenames) > ATTACHMENTS:
        raise invalid("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    _check_components(components, v2=v2)
    _check_references(body, filenames)
    if not (content or embeds or components or filenames):
        raise ApiError(50006)
    check_length("nonce", str(body.get("nonce") or ""), 25)
    _check_mentions(body.get("allowed_mentions") or {})


def _check_references(body: Json, filenames: Collection[str]) -> None:
    for name in attachment_references(body):
        if name not in filenames:
            raise invalid("components", "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND", name)


def _check_components(components: list[Json], *, v2: bool) -> None:
    nested = list(walk(components))
    if v2:
        _check_v2(nested)
    else:
        if len(components) > 5:
            raise invalid("components", "BASE_TYPE_MAX_LENGTH", "Must be 5 or fewer in length.")
        if any(c["type"] != ACTION_ROW for c in components) or any(c["type"] in _V2_ONLY for c in nested):
            raise invalid("components", "UNION_TYPE_CHOICES", "Value of field type must be one of (1,).")
    custom_ids = [c["custom_id"] for c in nested if "custom_id" in c]
    if len(custom_ids) != len(set(custom_ids)):
        raise invalid(
            "components", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated"
        )
    for component in nested:
        _check_component(component)


def _check_v2(nested: list[Json]) -> None:
    if len(nested) > V2_COMPONENTS:
        raise invalid("components", "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", "At most 40 components.")
    texts = [str(c.get("content") or "") for c in nested if c["type"] == TEXT_DISPLAY]
    if any(not text for text in texts):
        raise invalid("components", "BASE_TYPE_MIN_LENGTH", "A text display must not be empty.")
    if sum(map(len, texts)) > V2_TEXT:
        raise invalid("components", "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", "At most 4000 characters.")


def _check_component(component: Json) -> None:
    kind = component["type"]
    if kind == ACTION_ROW:
        _check_count("components", component.get("components"), 1, 5)
    elif kind == MEDIA_GALLERY:
        _check_count("items", component.get("items"), 1, 10)
    elif kind == BUTTON:
        _check_button(component)
    elif kind in _SELECTS:
        if kind == 3:
            _check_count("options", component.get("options"), 1, 25)
        check_length("components.placeholder", component.get("placeholder"), 150)
        check_length("components.custom_id", component.get("custom_id"), 100, 1)


def _check_button(button: Json) -> None:
    check_length("components.label", button.get("label"), 80)
    if button.get("style") != LINK_BUTTON:
        check_length("components.custom_id", button.get("custom_id"), 100, 1)
        return
    if not re.match(r"(https?|discord)://", str(button.get("url") or "")):
        raise invalid("components.url", "URL_TYPE_INVALID_SCHEME", "Not a well formed URL.")
    check_length("components.url", button.get("url"), 512, 1)


def _check_count(field: str, items: list[Json] | None, least: int, limit: int) -> None:
    if not least <= len(items or []) <= limit:
        message = f"Must be between {least} and {limit} in length."
        raise invalid(f"components.{field}", "BASE_TYPE_BAD_LENGTH", message)


def _check_mentions(allowed: Json) -> None:
    for kind in ("users", "roles"):
        if kind in (allowed.get("parse") or []) and allowed.get(kind):
            message = f'"parse":["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            raise invalid("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message)
        if len(allowed.get(kind) or []) > 100:
            raise invalid(f"allowed_mentions.{kind}", "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer.")


def check_modal(data: Json) -> None:
    check_length("data.title", data.get("title"), 45, 1)
    check_length("data.custom_id", data.get("custom_id"), 100, 1)
    components = data.get("components") or []
    if not 1 <= len(components) <= 5:
        raise invalid("data.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    for item in walk(components):
        if item["type"] == 18:
            check_length("data.components.label", item.get("label"), 45, 1)
            check_length("data.components.description", item.get("description"), 100)
        if item["type"] == 21:
            _check_count("options", item.get("options"), 2, 10)
        if item["type"] == 4:
            check_length("data.components.custom_id", item.get("custom_id"), 100, 1)
            check_length("data.components.value", item.get("value"), int(item.get("max_length") or 4000))
            check_length("data.components.placeholder", item.get("placeholder"), 100)


def pings(text: str, allowed: Json | None) -> frozenset[int]:
    """Return the users that a new message pings."""
    mentioned = {int(found) for found in re.findall(r"<@!?(\d+)>", text)}
    if allowed is not None and "users" not in (allowed.get("parse") or []):
        mentioned &= {int(user) for user in allowed.get("users") or []}
    return frozenset(mentioned)
