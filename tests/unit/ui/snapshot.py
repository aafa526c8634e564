"""Messages as readable files in `snapshots/`, so that a changed sentence or button is seen in a review.

`make snapshots` writes them anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from discord.ui import Modal

from bot.ui.message_parts import OutgoingMessage

FOLDER = Path(__file__).with_name("snapshots")
WRITING = "WRITE_SNAPSHOTS"
CONTAINER, ROW, TEXT, GALLERY, FILE, BUTTON, SELECT, LABEL, INPUT, UPLOAD = 17, 1, 10, 12, 13, 2, 3, 18, 4, 19
SEPARATOR, RADIO_GROUP, CHECKBOX = 14, 21, 23
SECTION, THUMBNAIL = 9, 11
ROLE_SELECT, CHANNEL_SELECT = 6, 8
STYLES = {1: "primary", 2: "", 3: "success", 4: "danger", 5: "link"}


# How many characters of a select a phone shows before it cuts them off.
PHONE_LABEL, PHONE_DESCRIPTION = 30, 40


def assert_select_fits(select: Mapping[str, Any]) -> None:
    """Check that a phone cuts no text of a select."""
    labels = [select.get("placeholder") or "", *(option["label"] for option in select.get("options", ()))]
    descriptions = [option.get("description") or "" for option in select.get("options", ())]
    assert [text for text in labels if len(text) > PHONE_LABEL] == []
    assert [text for text in descriptions if len(text) > PHONE_DESCRIPTION] == []


def compare(name: str, shown: str) -> None:
    """Compare a message with the file of this name."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get(WRITING):
        path.write_text(shown, encoding="utf-8")
    assert path.is_file(), f"{path.name} is missing: make snapshots"
    assert shown == path.read_text(encoding="utf-8"), "changed: look at it, then make snapshots"


def told(shown: Any) -> str:
    """Return messages, a view or a form as lines."""
    if isinstance(shown, list | tuple):
        return "\n---\n".join("\n".join(_part(part)) for part in shown) + "\n"
    if isinstance(shown, Modal):
        payload = shown.to_dict()
        return "\n".join([f"form “{payload['title']}”", *_all(payload["components"], "  ")]) + "\n"
    return "\n".join(_all(shown.to_components(), "")) + "\n"


def _part(part: OutgoingMessage) -> Iterator[str]:
    if part.mention is not None:
        yield f"pings {part.mention}"
    if part.content is not None:
        yield from (f"| {line}" for line in part.content.splitlines())
    view = part.layout or part.view
    if view is not None:
        yield from _all(view.to_components(), "")
    if part.files:
        yield f"files {', '.join(file.filename for file in part.files)}"


def _all(components: Any, indent: str) -> Iterator[str]:
    for component in components:
        yield from _one(component, indent)


def _one(component: Mapping[str, Any], indent: str) -> Iterator[str]:
    kind = component["type"]
    if kind == CONTAINER:
        yield f"{indent}container #{component.get('accent_color') or 0:06x}"
        yield from _all(component["components"], f"{indent}  ")
    elif kind == TEXT:
        yield from (f"{indent}| {line}" for line in component["content"].splitlines())
    elif kind in (GALLERY, THUMBNAIL):
        yield f"{indent}shows {', '.join(map(_media, component.get('items') or [component]))}"
    elif kind == FILE:
        yield f"{indent}file {component['file']['url']}{_hidden(component)}"
    elif kind == SEPARATOR:
        yield f"{indent}----"
    elif kind == ROW:
        yield indent + "  ".join(_control(each["type"], each) for each in component["components"])
    elif kind == SECTION:
        *above, last = _all(component["components"], indent)
        yield from [*above, f"{last}  {''.join(_one(component['accessory'], ''))}"]
    elif kind == LABEL:
        yield f"{indent}{component['label']}: {component.get('description') or ''}".rstrip()
        yield from _all([component["component"]], f"{indent}  ")
    else:
        yield f"{indent}{_control(kind, component)}"


def _media(item: Mapping[str, Any]) -> str:
    alt = f" “{item['description']}”" if item.get("description") else ""
    return f"{item['media']['url']}{alt}{_hidden(item)}"


def _hidden(item: Mapping[str, Any]) -> str:
    return " behind a spoiler" if item.get("spoiler") else ""


def _control(kind: int, component: Mapping[str, Any]) -> str:
    if kind == BUTTON:
        marks = [STYLES[component["style"]], "off" if component.get("disabled") else ""]
        told = " ".join(mark for mark in marks if mark)
        emoji = f"{component['emoji']['name']} " if component.get("emoji") else ""
        return f"[{emoji}{component['label']}] {component.get('custom_id', '')} {told}".rstrip()
    off = " off" if component.get("disabled") else ""
    if kind in (SELECT, ROLE_SELECT, CHANNEL_SELECT):
        assert_select_fits(component)
    if kind == SELECT:
        return f"<{component.get('placeholder') or ''}> {component['custom_id']}: {_options(component)}{off}"
    if kind in (ROLE_SELECT, CHANNEL_SELECT):
        chosen = " / ".join(str(value["id"]) for value in component.get("default_values", ()))
        return f"<{component.get('placeholder') or ''}> {component['custom_id']}: {chosen}{off}".rstrip()
    if kind == CHECKBOX:
        return f"checkbox {component['custom_id']}{' ✓' if component.get('default') else ''}"
    needed = "needed" if component.get("required") else "optional"
    if kind == UPLOAD:
        return f"upload {component['custom_id']}, {needed}, up to {component.get('max_values', 1)}"
    if kind == RADIO_GROUP:
        return f"radio {component['custom_id']}, {needed}: {_options(component)}"
    assert kind == INPUT, component
    size = f"up to {component['max_length']}" if component.get("max_length") else "any length"
    placeholder = f" <{component['placeholder']}>" if component.get("placeholder") else ""
    shown = component.get("value") or ""
    return f"text {component['custom_id']}, {needed}, {size}{placeholder}: {shown}".rstrip()


def _options(component: Mapping[str, Any]) -> str:
    return " / ".join(
        f"{option['label']}{' ✓' if option.get('default') else ''}" for option in component["options"]
    )
