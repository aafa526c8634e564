from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.contract.fake_comfydeploy.caller import Caller, Receiver
from tests.harness import QUICK


@pytest.fixture
async def comfydeploy() -> AsyncIterator[FakeComfyDeploy]:
    async with FakeComfyDeploy(pace=0, **QUICK) as running:
        yield running


@pytest.fixture
async def caller(comfydeploy: FakeComfyDeploy) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(session, comfydeploy)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with receiver.server:
        yield receiver
