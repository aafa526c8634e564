from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from demo.fake_comfydeploy.server import StandIn
from tests.contract.fake_comfydeploy.caller import Caller
from tests.contract.fake_comfydeploy.receiver import Receiver


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    async with StandIn(pace=0, webhook_waits=(0, 0)) as running:
        yield running


@pytest.fixture
async def caller(standin: StandIn) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(session, standin)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running
