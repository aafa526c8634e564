"""What an edit changed, as small JSON for the record. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.rules import ServerRules


def differences(before: ServerRules, after: ServerRules) -> dict[str, object]:
    """Field -> {from, to}, or {added, removed} for lists: `{"approval.hours": {"from": 24, "to": 48}}`."""
    old = dict(_leaves(before.model_dump(mode="json")))
    new = dict(_leaves(after.model_dump(mode="json")))
    places = [*old, *(place for place in new if place not in old)]
    return {
        place: _change(old.get(place), new.get(place))
        for place in places
        if _comparable(old.get(place)) != _comparable(new.get(place))
    }


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _comparable(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, list) else value


def _change(old: Any, new: Any) -> dict[str, object]:
    if not isinstance(old, list) and not isinstance(new, list):
        return {"from": old, "to": new}
    was, now = old or [], new or []
    return {
        "added": [entry for entry in now if entry not in was],
        "removed": [entry for entry in was if entry not in now],
    }
