"""What a sent form holds, read from the interaction's own data: no form has to be remembered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.deployments.revision import TypedValue
from bot.deployments.validation import GivenFile
from cogs.asker import Interaction
from cogs.items import data_of

_FILE_UPLOAD = 19


def texts_of(interaction: Interaction) -> dict[str, str]:
    """By custom_id, in their order."""
    return {name: value for name, value in typed_of(interaction).items() if isinstance(value, str)}


def typed_of(interaction: Interaction) -> dict[str, TypedValue]:
    """By custom_id. A select left alone is empty text; an upload left alone is not there."""
    data = data_of(interaction)
    attachments = data.get("resolved", {}).get("attachments", {})
    typed: dict[str, TypedValue] = {}
    for field in _fields(data.get("components", ())):
        values = field.get("values") or []
        if field["type"] == _FILE_UPLOAD:
            files = tuple(_given(attachments[value]) for value in values if value in attachments)
            if files:
                typed[field["custom_id"]] = files
        else:
            typed[field["custom_id"]] = str(field.get("value") or next(iter(values), ""))
    return typed


def _given(attachment: Mapping[str, Any]) -> GivenFile:
    return GivenFile(
        attachment["url"], attachment["filename"], attachment.get("content_type"), attachment["size"]
    )


def _fields(components: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for component in components:
        if "custom_id" in component:
            yield component
        yield from _fields(component.get("components") or [c for c in (component.get("component"),) if c])
