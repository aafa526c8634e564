"""The lists of planted faults and of mutants' tests fit the code and the tests as they are."""

from __future__ import annotations

import pytest

from tools.mutants import CORE, SAMPLE
from tools.planted_faults import ROOT, Fault, read_faults

FAULTS = read_faults()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_changes_exactly_one_place(fault: Fault) -> None:
    assert fault.old != fault.new
    assert (ROOT / fault.file).read_text(encoding="utf-8").count(fault.old) == 1


@pytest.mark.parametrize("test", sorted({test for fault in FAULTS for test in fault.tests}))
def test_a_listed_test_exists(test: str) -> None:
    path, _, function = test.partition("[")[0].partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert f"def {function}(" in text if function else path.endswith(".py")


IN_MUTANTS = {f"tests/{test}" for table in SAMPLE.values() for tests in table.values() for test in tests}


@pytest.mark.parametrize("path", [*sorted(IN_MUTANTS), *CORE["files"], *CORE["tests"]])
def test_a_file_for_mutants_exists(path: str) -> None:
    assert (ROOT / path).exists()
