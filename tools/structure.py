"""`python -m tools.structure`: count the modules of `bot` and `cogs`, their lines, and the files per package.

Migrations, and `__init__` files with nothing but a docstring, don't count.
"""

from __future__ import annotations

import ast
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "cogs")
LONG, FULL = 400, 14


def modules() -> Iterator[tuple[Path, int]]:
    """Yield each module's path and its number of lines."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            only_docstring = path.name == "__init__.py" and len(ast.parse(text).body) < 2
            if "migrations" not in path.parts and not only_docstring:
                yield path.relative_to(ROOT), len(text.splitlines())


def main() -> None:
    found = list(modules())
    sizes = [lines for _, lines in found]
    for package, count in sorted(Counter(path.parent.as_posix() for path, _ in found).items()):
        print(f"{package:24} {count:3} files{'  too many' if count > FULL else ''}")
    for path, lines in found:
        if lines > LONG:
            print(f"{path.as_posix()} has {lines} lines")
    print(f"modules={len(sizes)} median={statistics.median(sizes):.0f} longest={max(sizes)}")


if __name__ == "__main__":
    main()
