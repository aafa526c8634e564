"""`python -m tools.architecture`: draw the packages and their imports into docs/architecture.md.

An arrow means "imports". Arrows that follow from others are left out, so that the picture shows the layers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "architecture.md"
_BLOCK = re.compile(r"(<!-- packages: written by `make docs` -->\n).*?(<!-- end -->\n)", re.DOTALL)
_ENTRY = "entry points"
_ENTRY_POINTS = frozenset({"__main__", "app", "cli", "ops", "serve"})


def unit(module: str) -> str:
    """Return the package of a module. All entry points count as one package."""
    parts = module.split(".")
    if parts[0] == "cogs":
        return "cogs"
    name = parts[1] if len(parts) > 1 else "__init__"
    return _ENTRY if name in _ENTRY_POINTS else name


def imports() -> dict[str, set[str]]:
    """Return the packages that each package imports. `bot/__init__.py` has only the version."""
    graph = grimp.build_graph("bot", "cogs", cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in graph.modules - {"bot"}:
        targets = {unit(name) for name in graph.find_modules_directly_imported_by(module) - {"bot"}}
        found.setdefault(unit(module), set()).update(targets - {unit(module)})
    return found


def reduced(edges: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """Return the edges without those that a longer path implies; `edges` must have no cycle."""

    def reaches(start: str, end: str) -> bool:
        return any(step == end or reaches(step, end) for step in edges.get(start, ()))

    return sorted(
        (start, end)
        for start, ends in edges.items()
        for end in ends
        if not any(reaches(other, end) for other in ends if other != end)
    )


def picture() -> str:
    lines = ["```mermaid", "flowchart TD"]
    lines += [f"    {start.replace(' ', '_')} --> {end}" for start, end in reduced(imports())]
    return "\n".join([*lines, "```", ""])


def written(text: str) -> str:
    """Return the document with the current picture between the marks."""
    return _BLOCK.sub(lambda block: block.group(1) + picture() + block.group(2), text)


def main() -> None:
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
