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
# These ask the database through `tests/questions.py` alone.
SUITES = ("e2e", "chaos", "scale")
DATABASE = (
    "asyncpg",
    "bot.database.key_values",
    "bot.database.tables",
    "bot.store",
    "sqlalchemy",
)
DATABASE += ("sqlite3", "tests.contract")
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


def test_the_simulation_knows_only_the_entry_point() -> None:
    """Otherwise it knows only how to start the bot, and which presses to forge."""
    paths = (ROOT / "tests" / "simulation").rglob("*.py")
    names = {name for path in paths for name in imports(ast.parse(path.read_text(encoding="utf-8")))}
    assert {name for name in names if name.partition(".")[0] in ("bot", "cogs")} == {
        "bot.cli.main",
        "bot.outside.Outside",
        "bot.ui.custom_ids.Action",
    }


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


def test_the_suites_use_no_sql_and_few_questions() -> None:
    """Then a change of the tables changes `tests/questions.py` alone."""
    tests = ROOT / "tests"
    paths = [path for suite in SUITES for path in (tests / suite).rglob("*.py")]
    trees = {
        path.relative_to(tests).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths
    }
    assert [name for name, tree in trees.items() if any(map(reaches_the_database, imports(tree)))] == []
    assert [name for name, tree in trees.items() if ".app.store" in ast.unparse(tree)] == []
    questions = ast.parse((tests / "questions.py").read_text(encoding="utf-8")).body
    public = [
        node.name for node in questions if isinstance(node, ast.AsyncFunctionDef) and node.name[0] != "_"
    ]
    assert 0 < len(public) <= 15


def imports(tree: ast.Module) -> set[str]:
    """Return the modules that a module imports, and the names that it imports from them, with dots."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def reaches_the_database(name: str) -> bool:
    return f"{name}.".startswith(tuple(f"{module}." for module in DATABASE))


def test_the_picture_of_the_packages_is_up_to_date() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert written(text) == text, "run `make docs`"
