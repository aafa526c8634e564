"""What CI runs is pinned: a tag of an action can be moved to other code, a commit can't."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def used(node: Any) -> Iterator[str]:
    """Yield every action that a workflow uses."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "uses":
                yield value
            else:
                yield from used(value)
    elif isinstance(node, list):
        for value in node:
            yield from used(value)


def test_actions_are_pinned_by_commit() -> None:
    actions = [name for path in WORKFLOWS for name in used(yaml.safe_load(path.read_text(encoding="utf-8")))]
    assert len(actions) >= 4
    assert [name for name in actions if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name)] == []


def test_updates_of_actions_and_base_image_are_proposed() -> None:
    settings = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    assert {update["package-ecosystem"] for update in settings["updates"]} == {"docker", "github-actions"}
