"""A select in the page stays open, at its place, until its reader has chosen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.demo.chromium import FOUND, Tab, tab
from tests.demo.test_page import Visitor, shown_files, texts, visiting

pytestmark = [pytest.mark.slow, pytest.mark.skipif(FOUND is None, reason="needs Chromium")]

DESKTOP = (1280, 900)
PHONE = (390, 844)
PICTURE = """const picture = document.querySelector("#channel-message-list .gallery-image");
    return Boolean(picture?.naturalWidth && simcordPreview.ready)"""
# The button with this label, once the page accepts clicks.
BUTTON = """const button = [...document.querySelectorAll("#channel-message-list button")]
        .findLast(button => button.textContent.trim().endsWith("%s"));
    if (!button || button.disabled || !simcordPreview.ready) return false;
    button.click();
    return true"""
SELECT = """const select = document.querySelector(".select-trigger");
    if (!select || select.disabled || !simcordPreview.ready) return false;
    if (select.getBoundingClientRect().bottom > innerHeight) return false;
    select.click();
    return true"""
AT_REST = """return simcordPreview.ready
    && [...document.querySelectorAll("#channel-message-list img")].every(image => image.naturalWidth)"""
FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
POLLS = "performance.getEntriesByType('resource').filter(entry => entry.name.endsWith('/api/state')).length"
OPEN = "document.querySelectorAll('.preview-select.is-open').length"
TOP = "document.querySelector('.select-trigger').getBoundingClientRect().top"
LIST = "document.getElementById('channel-message-list').textContent"


@asynccontextmanager
async def open_select(folder: Path, size: tuple[int, int]) -> AsyncIterator[tuple[Visitor, Tab]]:
    """Open the select of More, then Use as input, below a picture that fills most of the page."""
    async with visiting() as (_, visitor):
        await visitor.generate("picture", prompt="a red barn")
        await visitor.until(lambda state: bool(shown_files(state)))
        async with tab(f"{visitor.base}/#{visitor.capability}", folder, size) as page:
            await page.until(PICTURE)
            await page.until(BUTTON % "⋯ More")
            await page.until(BUTTON % "Use as input")
            await page.until("return document.querySelector('.select-trigger') !== null")
            await page.until(AT_REST)
            await page.until(SELECT)
            await page.until(AT_REST)
            await page.run(FRAMES)
            yield visitor, page


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
async def test_it_opens_below_a_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    async with open_select(tmp_path, size) as (_, page):
        assert await page.run(OPEN) == 1


async def test_it_stays_where_it_is_while_the_channel_changes(tmp_path: Path) -> None:
    async with open_select(tmp_path, DESKTOP) as (visitor, page):
        visitor.state = await visitor.call("GET", "/api/state")
        top = await page.run(TOP)
        before = len(shown_files(visitor.state))

        await visitor.generate("picture", prompt="a lighthouse")
        await visitor.until(lambda state: len(shown_files(state)) > before and "a lighthouse" in texts(state))
        await page.until(f"window.polls ??= {POLLS}; return {POLLS} > window.polls + 2")

        assert (await page.run(OPEN), await page.run(TOP)) == (1, top)
        await page.run("document.querySelector('.is-open [role=option]').click()")
        await page.until("return document.querySelector('[role=dialog]') !== null")
        assert "a lighthouse" in await page.run(LIST)
