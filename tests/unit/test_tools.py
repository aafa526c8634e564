"""Tables of the tools name methods, modules and tests that exist."""

from __future__ import annotations

import re

import pytest

from bot import __version__
from tools.mutants import CORE, NOT_IN_A_COPY, ROOT, SAMPLE
from tools.release import notes

CHANGELOG = f"# Changelog\n\n## {__version__}\n\n- New.\n\n## 0.9.0\n\n- Old.\n"


def test_the_notes_of_a_release_are_the_changelogs_newest_section() -> None:
    assert notes(f"v{__version__}", CHANGELOG).startswith("- New.\n\nTo upgrade")
    assert notes(f"v{__version__}", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("tag", "changelog"),
    [
        (__version__, CHANGELOG),
        ("v0.9.0", CHANGELOG),
        (f"v{__version__}", CHANGELOG.replace("## 1", "## 2", 1)),
    ],
)
def test_a_release_whose_parts_disagree_is_refused(tag: str, changelog: str) -> None:
    with pytest.raises(ValueError, match=re.escape(__version__)):
        notes(tag, changelog)


def has_code(package: str, module: str) -> bool:
    """Return whether a module can have mutants: an `__init__` with a docstring alone has none."""
    text = (ROOT / "bot" / package / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    return not module.endswith("__init__") or "class " in text or "def " in text


@pytest.mark.parametrize("package", SAMPLE)
def test_every_module_of_a_sampled_package_has_its_tests(package: str) -> None:
    folder = ROOT / "bot" / package
    paths = [path.relative_to(folder).with_suffix("") for path in folder.rglob("*.py")]
    modules = [".".join(path.parts) for path in paths if path.parts[0] != "migrations"]
    assert set(SAMPLE[package]) == {module for module in modules if has_code(package, module)}


NAMED = {f"tests/{test}" for table in SAMPLE.values() for tests in table.values() for test in tests}


@pytest.mark.parametrize("path", [*sorted(NAMED), *CORE["files"], *CORE["tests"], *NOT_IN_A_COPY])
def test_a_named_file_exists(path: str) -> None:
    assert (ROOT / path).exists()
