"""Rules beyond the import contracts in pyproject.toml, and the picture drawn from the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.architecture import DOCUMENT, written

ROOT = Path(__file__).parents[2]
PURE = "Pure modules reach no I/O library"
BUILDERS = {"LayoutView", "View", "Modal", "from_message"}

# `import a.b` runs `a/__init__.py` too, which import-linter's graph does not follow.
LOAD = """
import importlib, pkgutil, sys
modules, libraries = map(str.split, sys.argv[1:])
for name in modules:
    path = getattr(importlib.import_module(name), "__path__", [])
    for child in pkgutil.walk_packages(path, f"{name}."):
        importlib.import_module(child.name)
print(*sorted({*libraries} & {*sys.modules}))
"""


def test_importing_the_pure_modules_loads_no_io_library() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["name"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}
    named = (" ".join(contracts[PURE][key]) for key in ("source_modules", "forbidden_modules"))
    loaded = subprocess.run(  # noqa: S603  # our own modules
        [sys.executable, "-c", LOAD, *named], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert loaded.stdout.split() == []


def test_one_module_builds_all_views_and_forms() -> None:
    """It stops them, because discord.py would keep the others in memory."""
    built = {
        path.relative_to(ROOT).as_posix()
        for folder in ("bot", "cogs", "demo")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in BUILDERS
    }
    assert built == {"bot/ui/message_parts.py"}


def test_the_picture_of_the_packages_is_up_to_date() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert written(text) == text, "run `make docs`"
