"""An open page says that the demo has ended or was restarted, and what to do."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from demo.page import open_pages
from demo.world import open_world
from tests.demo.chromium import FOUND, Tab, tab
from tests.demo.test_page import TITLES
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.skipif(FOUND is None, reason="needs Chromium")]

SIZES = [(1280, 900), (390, 844)]
ENDED = "The demo isn't running. Start it again, and open the address that it prints."
RESTARTED = "The demo was restarted. Open the address that it printed."
INCOMPLETE = "This address is incomplete. Open the whole address that the demo printed."
EXPIRED = "This page was idle for too long. Reload it."
SHOWN = """const notice = document.getElementById("demo-notice");
    return notice?.checkVisibility() && notice.textContent === "%s" """
READY = "return Boolean(window.simcordPreview?.ready && document.getElementById('demo-hint'))"


def first_port() -> int:
    """Return a port that is free together with the ones after it, one for each page."""
    while True:
        port = free_port() + 1
        try:
            with ExitStack() as stack:
                for number in range(len(TITLES)):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port + number))
        except OSError:
            continue
        return port


@pytest.mark.parametrize("size", SIZES)
async def test_it_says_that_the_demo_has_ended_and_was_restarted(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    port = first_port()
    async with AsyncExitStack() as browser:
        async with open_world(pace=0) as world, open_pages(world, port) as pages:
            page = await browser.enter_async_context(tab(pages.all[0].url, tmp_path, size))
            await page.until(READY)
        await page.until(SHOWN % ENDED)
        async with open_world(pace=0) as world, open_pages(world, port):
            await page.until(SHOWN % RESTARTED)
            await page.run("location.reload()")
            await page.until(SHOWN % RESTARTED)
            await page.run("location.hash = ''; location.reload()")
            await page.until(SHOWN % INCOMPLETE)


async def test_the_notice_disappears_when_the_demo_answers_again(tmp_path: Path) -> None:
    async with (
        open_world(pace=0) as world,
        open_pages(world) as pages,
        tab(pages.all[0].url, tmp_path, SIZES[0]) as page,
    ):
        await page.until(READY)
        await page.call("Network.enable")
        await set_offline(page, offline=True)
        await page.until(SHOWN % ENDED)
        await set_offline(page, offline=False)
        await page.until("return document.getElementById('demo-notice') === null")


async def test_a_page_that_the_demo_has_forgotten_asks_to_be_reloaded(tmp_path: Path) -> None:
    async with (
        open_world(pace=0) as world,
        open_pages(world) as pages,
        tab(pages.all[0].url, tmp_path, SIZES[0]) as page,
    ):
        await page.until(READY)
        # The page ends its session when it is left, and goes on polling when the browser shows it again.
        await page.run("dispatchEvent(new PageTransitionEvent('pagehide'))")
        await page.run("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        await page.until(SHOWN % EXPIRED)
        await page.run("location.reload()")
        await page.until(READY)


async def set_offline(page: Tab, *, offline: bool) -> None:
    speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    await page.call("Network.emulateNetworkConditions", offline=offline, **speed)
