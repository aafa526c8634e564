"""Check that each quick section of `make bench` still runs and measures something."""

from __future__ import annotations

from argparse import Namespace

import pytest

from tests.bench.__main__ import SECTIONS

QUICK = ("requests", "webhooks", "delivery", "lag")


@pytest.mark.slow
@pytest.mark.parametrize("section", QUICK)
async def test_a_section_returns_its_figures(section: str) -> None:
    figures = await SECTIONS[section](Namespace())
    assert {figure.section for figure in figures} == {section}
    assert len({figure.name for figure in figures}) == len(figures)
    measured = [figure.value for figure in figures if figure.unit]
    assert measured
    assert all(value > 0 for value in measured)
