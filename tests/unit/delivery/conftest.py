from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.delivery.sites import INSIDE, OUTSIDE, Site


@pytest.fixture
async def outside() -> AsyncIterator[Site]:
    site = Site(OUTSIDE)
    async with await site.start():
        yield site


@pytest.fixture
async def inside() -> AsyncIterator[Site]:
    site = Site(INSIDE)
    async with await site.start():
        yield site
