"""`python -m tools.sample --seed TEXT`: draw docstrings and paragraphs of the documents, for reading aloud.

The same seed draws the same texts from the same tree; use the last commit's hash, for example. The texts are
the docstrings of the bot, the cogs, the demo and the tools, and the paragraphs and list items of the
documents.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = ("bot", "cogs", "demo", "tools")
SHORTEST = 25  # characters; a heading or a single link is not prose


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield the place (`file:line name`) and the text of each docstring."""
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                text = ast.get_docstring(node)
                if text:
                    line = node.body[0].lineno
                    name = "" if isinstance(node, ast.Module) else f" {node.name}"
                    yield f"{path.relative_to(ROOT).as_posix()}:{line}{name}", text


def paragraphs() -> Iterator[tuple[str, str]]:
    """Yield the place (`file:line`) and the text of each paragraph or list item.

    Code blocks, tables, headings and texts of fewer than `SHORTEST` characters are left out.
    """
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]):
        text = re.sub(
            r"^```.*?^```", _blank, path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
        )
        line = 1
        for block in re.split(r"(\n\s*\n|\n(?=- |\d+\. ))", text):
            prose = block.strip()
            if len(prose) >= SHORTEST and not prose.startswith(("|", "#", "<", "![")):
                yield f"{path.relative_to(ROOT).as_posix()}:{line}", prose
            line += block.count("\n")


def _blank(match: re.Match[str]) -> str:
    return "\n" * match.group().count("\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.sample", description=__doc__)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--count", type=int, default=40)
    options = parser.parse_args()
    texts = [*docstrings(), *paragraphs()]
    for number, (where, text) in enumerate(random.Random(options.seed).sample(texts, options.count), 1):
        print(f"{number}. {where}\n{text}\n")


if __name__ == "__main__":
    main()
