from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.unit.delivery.sites import INSIDE, OUTSIDE, Site


@pytest.fixture
async def sites() -> AsyncIterator[tuple[Site, Site]]:
    outside, inside = Site(OUTSIDE), Site(INSIDE)
    async with AsyncExitStack() as stack:
        for site in (outside, inside):
            stack.push_async_callback((await site.start()).close)
        yield outside, inside


@pytest.fixture
def outside(sites: tuple[Site, Site]) -> Site:
    return sites[0]


@pytest.fixture
def inside(sites: tuple[Site, Site]) -> Site:
    return sites[1]
