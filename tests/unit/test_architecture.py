"""The direction of the imports, as docs/architecture.md draws it: read from the source, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "cogs", "demo")
IO_LIBRARIES = frozenset({"discord", "aiohttp", "sqlalchemy"})

# Rules, words and wire formats: no I/O, not even through what they import.
PURE = (
    "bot.errors",
    "bot.runs",
    "bot.runs.request",
    "bot.runs.policy",
    "bot.runs.transitions",
    "bot.rules",
    "bot.rules.people",
    "bot.rules.budgets",
    "bot.rules.salvage",
    "bot.rules.differences",
    "bot.text",
    "bot.tracking.signing",
    "bot.words",
    "bot.deployments.model",
    "bot.deployments.compile",
    "bot.deployments.values",
    "bot.comfy.wire",
    "bot.comfy.calls",
    "bot.comfy.reports",
    "bot.comfy.outputs",
    "bot.comfy.deployments",
)


def path_of(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def modules_of(package: str) -> list[str]:
    files = sorted((ROOT / package).rglob("*.py"))
    dotted = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    return [name.removesuffix(".__init__") for name in dotted]


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def named(module: str, node: ast.AST) -> Iterator[str]:
    """What an import statement names; of `from a import b` also `a.b`, which may be a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        source = node.module or ""
        if node.level:
            path = path_of(module)
            parts = module.split(".") if path and path.name == "__init__.py" else module.split(".")[:-1]
            source = ".".join([*parts[: len(parts) - node.level + 1], *([source] if source else [])])
        yield source
        yield from (f"{source}.{alias.name}" for alias in node.names)


@cache
def imports(module: str) -> frozenset[str]:
    """Everything `module` imports itself, inside functions too."""
    path = path_of(module)
    assert path is not None, f"{module} is named in a rule and is not there"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(name for node in ast.walk(tree) for name in named(module, node))


def reached(module: str) -> dict[str, str]:
    """All that importing `module` brings in, each with the module that asks for it."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        current = waiting.pop()
        parents = [current.rsplit(".", n)[0] for n in range(1, current.count(".") + 1)]
        for name in (*imports(current), *parents):
            if name in found or name == module:
                continue
            found[name] = current
            if name.split(".")[0] in PACKAGES and path_of(name) is not None:
                waiting.append(name)
    return found


def breaches(module: str, *forbidden: str) -> list[str]:
    return [
        f"{module} -> {name}" for name in sorted(imports(module)) for bad in forbidden if within(name, bad)
    ]


@pytest.mark.parametrize("module", PURE)
def test_rules_and_wire_formats_reach_no_io_library(module: str) -> None:
    found = [
        f"{via} -> {name}" for name, via in reached(module).items() if name.split(".")[0] in IO_LIBRARIES
    ]
    assert found == []


@pytest.mark.parametrize("module", modules_of("bot"))
def test_the_bot_imports_neither_cogs_nor_demo_nor_tests(module: str) -> None:
    assert breaches(module, "cogs", "demo", "tests") == []


@pytest.mark.parametrize(
    "module", [name for package in ("runs", "rules", "store") for name in modules_of(f"bot/{package}")]
)
def test_what_is_kept_knows_nothing_of_how_it_is_shown_or_asked_for(module: str) -> None:
    assert (
        breaches(module, "bot.moderation", "bot.messages", "bot.delivery", "bot.tracking", "bot.desk") == []
    )


@pytest.mark.parametrize("module", modules_of("demo/standin"))
def test_the_stand_in_shares_nothing_with_the_bot(module: str) -> None:
    # Shared models would let one misread field pass every test.
    assert breaches(module, "bot", "cogs", "tests") == []


@pytest.mark.parametrize("module", modules_of("cogs"))
def test_cogs_only_take_requests_in(module: str) -> None:
    assert breaches(module, "bot.delivery", "bot.comfy", "bot.store", "demo", "tests") == []


@pytest.mark.parametrize("module", [name for package in PACKAGES for name in modules_of(package)])
def test_only_the_settings_read_the_environment(module: str) -> None:
    path = path_of(module)
    assert path is not None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    if module == "bot.settings.sources":
        assert "environ" in attributes
    elif within(module, "bot") or within(module, "cogs"):
        assert not attributes & {"environ", "getenv"}


@pytest.mark.parametrize("place", ["bot", "bot.comfy", "bot.store", "bot.delivery", "cogs", "demo.standin"])
def test_the_places_that_the_rules_name_exist(place: str) -> None:
    assert path_of(place) is not None


def test_a_breach_is_seen_through_all_forms_of_import() -> None:
    source = """
import discord.http
from ..store import rows
from . import wire
def late():
    from bot import delivery
"""
    found = {name for node in ast.walk(ast.parse(source)) for name in named("bot.comfy.client", node)}
    assert found == {
        "discord.http",
        "bot.store",
        "bot.store.rows",
        "bot.comfy",
        "bot.comfy.wire",
        "bot",
        "bot.delivery",
    }
    assert "yarl" in {name.split(".")[0] for name in reached("bot.media")}
