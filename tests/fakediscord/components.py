"""Find components and files in messages."""

from __future__ import annotations

from collections.abc import Iterator

from simcord.components import walk_components as walk

from tests.fakediscord.errors import Json


def attachment_references(body: Json) -> Iterator[str]:
    """Yield the file name of each `attachment://` URL in the components."""
    found: list[object] = [body.get("components")]
    while found:
        value = found.pop()
        if isinstance(value, dict):
            found.extend(value.values())
        elif isinstance(value, list):
            found.extend(value)
        elif isinstance(value, str) and value.startswith("attachment://"):
            yield value.removeprefix("attachment://")


def find_component(components: list[Json], wanted: str) -> Json | None:
    """Return the component with this custom_id or label, or else the first whose label contains `wanted`."""
    nested = list(walk(components))
    for key in ("custom_id", "label"):
        for component in nested:
            if component.get(key) == wanted:
                return component
    labelled = (c for c in nested if wanted and wanted.lower() in str(c.get("label") or "").lower())
    return next(labelled, None)
