"""What the reader of the page sees: the newest message, and a hint until it is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.demo.chromium import FOUND, tab
from tests.demo.test_page import shown_files, visiting
from tests.demo.test_selects import DESKTOP, PHONE, PICTURE

pytestmark = [pytest.mark.slow, pytest.mark.skipif(FOUND is None, reason="needs Chromium")]

TIMELINE = "const box = document.getElementById('channel-timeline');"
AT_THE_END = f"{TIMELINE} return box.scrollHeight - box.scrollTop - box.clientHeight < 2"
SCROLL_UP = f"(() => {{ {TIMELINE} box.scrollTop = 0; box.dispatchEvent(new WheelEvent('wheel')) }})()"
FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
PRESS_FIRST = """const button = [...document.querySelectorAll("#channel-message-list button")]
        .find(button => button.textContent.trim().endsWith("%s"));
    if (button.disabled || !simcordPreview.ready) return false;
    button.click();
    return true"""
COUNT = "document.querySelectorAll('#channel-message-list .gallery-image').length"


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
async def test_it_shows_what_a_press_starts_and_makes(tmp_path: Path, size: tuple[int, int]) -> None:
    async with visiting() as (_, visitor):
        for prompt in ("a red barn", "a lighthouse"):
            await visitor.generate("picture", prompt=prompt)
        await visitor.until(lambda state: len(shown_files(state)) == 2)
        async with tab(f"{visitor.base}/#{visitor.capability}", tmp_path, size) as page:
            await page.until(PICTURE)
            await page.until(AT_THE_END)
            await page.run(SCROLL_UP)
            await page.run(FRAMES)
            assert not await page.run(f"(() => {{ {AT_THE_END} }})()")

            await page.until(PRESS_FIRST % "Again")
            await page.until(f"return {COUNT} === 3")
            await page.until(AT_THE_END)


async def test_a_hint_that_was_closed_stays_closed(tmp_path: Path) -> None:
    async with (
        visiting() as (_, visitor),
        tab(f"{visitor.base}/#{visitor.capability}", tmp_path, PHONE) as page,
    ):
        await page.until("return document.querySelector('#demo-hint button') !== null")
        await page.run("document.querySelector('#demo-hint button').click(); location.reload()")
        await page.until("return document.getElementById('demo-tour') && window.simcordPreview?.ready")
        assert await page.run("document.getElementById('demo-hint') === null")
