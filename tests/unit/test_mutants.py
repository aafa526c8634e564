"""The table of the sampled mutants' tests fits the modules and the tests that there are."""

from __future__ import annotations

import pytest

from tools.mutants import CORE, NOT_IN_A_COPY, ROOT, TESTS


def has_code(package: str, module: str) -> bool:
    """Return whether a module can have mutants: an `__init__` with a docstring alone has none."""
    text = (ROOT / "bot" / package / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    return not module.endswith("__init__") or "class " in text or "def " in text


@pytest.mark.parametrize("package", TESTS)
def test_every_module_of_a_sampled_package_has_its_tests(package: str) -> None:
    folder = ROOT / "bot" / package
    paths = [path.relative_to(folder).with_suffix("") for path in folder.rglob("*.py")]
    modules = [".".join(path.parts) for path in paths if path.parts[0] != "migrations"]
    assert set(TESTS[package]) == {module for module in modules if has_code(package, module)}


NAMED = {f"tests/{test}" for table in TESTS.values() for tests in table.values() for test in tests.split()}


@pytest.mark.parametrize("path", [*sorted(NAMED), *CORE.files, *CORE.tests, *NOT_IN_A_COPY])
def test_a_named_file_exists(path: str) -> None:
    assert (ROOT / path).exists()
