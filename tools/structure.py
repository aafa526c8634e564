"""`python -m tools.structure`: count the modules of `bot` and `cogs`, their lines, and the files per package.

Code lines are those without blank lines, comments and docstrings. Migrations, and `__init__` files with
nothing but a docstring, don't count.
"""

from __future__ import annotations

import ast
import io
import statistics
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "cogs")
LONG, FULL = 400, 14
_NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def code_lines(text: str) -> int:
    """Return the number of lines with code. Docstrings don't count, but other strings do."""
    lines = set[int]()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines.difference_update(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    return len(lines)


def modules() -> Iterator[tuple[Path, int, int]]:
    """Yield each module's path, its number of lines and its number of code lines."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            only_docstring = path.name == "__init__.py" and len(ast.parse(text).body) < 2
            if "migrations" not in path.parts and not only_docstring:
                yield path.relative_to(ROOT), len(text.splitlines()), code_lines(text)


def main() -> None:
    found = list(modules())
    packages = defaultdict[str, list[tuple[int, int]]](list)
    for path, lines, code in found:
        packages[path.parent.as_posix()].append((lines, code))
        if lines > LONG:
            print(f"{path.as_posix()} has {lines} lines")
    for package, sizes in sorted(packages.items()):
        lines, code = map(sum, zip(*sizes, strict=True))
        crowded = "  too many" if len(sizes) > FULL else ""
        print(f"{package:24} {len(sizes):3} files {lines:6} lines {code:6} of code{crowded}")
    lengths = [lines for _, lines, _ in found]
    print(f"modules={len(found)} median={statistics.median(lengths):.0f} longest={max(lengths)}")
    print(f"lines={sum(lengths)} code={sum(code for *_, code in found)}")


if __name__ == "__main__":
    main()
