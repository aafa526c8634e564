"""Discord's rules for messages and modals. A mistake is answered by 50035 with the field."""

from __future__ import annotations

import re
from collections.abc import Collection

from simcord.components import ComponentValidationError, validate_message_state, validate_modal
from simcord.components import walk_components as walk

from tests.fakediscord.components import attachment_references
from tests.fakediscord.errors import ApiError, Json, check_sizes, invalid

ATTACHMENTS = 10
INPUT, LINK_BUTTON = 4, 5


def check_message(body: Json, filenames: Collection[str]) -> None:
    """Check a message. `body` is the whole message, `filenames` are those of all its attachments."""
    content, components = body.get("content"), body.get("components") or []
    if not (content or components or filenames):
        raise ApiError(50006)
    check_sizes("message", body, {"nonce": (0, 25)})
    if len(filenames) > ATTACHMENTS:
        raise invalid("attachments", f"Must be {ATTACHMENTS} or fewer in length.")
    try:
        validate_message_state(components, flags=int(body.get("flags") or 0), content=content, embeds=[])
    except ComponentValidationError as error:
        raise invalid("message", str(error)) from None
    for component in walk(components):
        is_link = component.get("style") == LINK_BUTTON
        if is_link and not re.match(r"(https?|discord)://", component["url"]):
            raise invalid("components.url", "Not a well formed URL.")
    for name in attachment_references(body):
        if name not in filenames:
            raise invalid("components", f"There is no attachment {name}.")


def check_modal(data: Json) -> None:
    try:
        validate_modal(data)
    except ComponentValidationError as error:
        raise invalid("data", str(error)) from None
    for item in walk(data["components"]):
        if item["type"] == INPUT:
            check_sizes("data.components", item, {"value": (0, int(item.get("max_length") or 4000))})


def pings(text: str, allowed: Json | None) -> frozenset[int]:
    """Return the users and roles that a new message pings."""
    pinged = set[int]()
    for kind, mark in (("users", "@!?"), ("roles", "@&")):
        mentioned = {int(found) for found in re.findall(rf"<{mark}(\d+)>", text)}
        if allowed is not None and kind not in (allowed.get("parse") or []):
            mentioned &= {int(each) for each in allowed.get(kind) or []}
        pinged |= mentioned
    return frozenset(pinged)
