"""The README's animation: a command, its progress, its picture, and the picture enlarged with Upscale."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageChops

from tools.screenshots.page import BAR, CHANNEL, COMPOSER, LOADED, PICTURE, SECOND, hide_hint, press

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZE = {"width": 860, "height": 640}
SCALE = 1.25
MOST_BYTES = 2_000_000
_PROMPT = "mountains under a full moon"
_TYPED = 3  # letters a frame
_FRAME = 90
_LOOK = 250
_PAUSE = 700
_SEEN = 2000
_END = 4000
_SECONDS = 60


class Recorder:
    """Takes frames of the conversation; a frame without changes extends the previous one."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.frames: list[Image.Image] = []
        self.times: list[int] = []

    def take(self, milliseconds: int) -> None:
        shot = self._page.locator(CHANNEL).screenshot()
        frame = Image.open(io.BytesIO(shot)).convert("RGB")
        if self.frames and ImageChops.difference(self.frames[-1], frame).getbbox() is None:
            self.times[-1] += milliseconds
        else:
            self.frames.append(frame)
            self.times.append(milliseconds)

    def type(self, text: str) -> None:
        for start in range(0, len(text), _TYPED):
            self._page.keyboard.type(text[start : start + _TYPED])
            self.take(_FRAME)

    def press(self, key: str) -> None:
        self._page.keyboard.press(key)
        self.take(_PAUSE)

    def save(self, path: Path) -> None:
        first, *others = self.frames
        # Lower the quality until the file is small enough for a README.
        for quality in range(80, 20, -10):
            first.save(
                path, save_all=True, append_images=others, duration=self.times, loop=0, quality=quality
            )
            if path.stat().st_size <= MOST_BYTES:
                break
        print(f"{path} ({path.stat().st_size / 1000:.0f} kB)", flush=True)


def take_animation(page: Page, folder: Path) -> None:
    """Record one request from the first letter to its result, and a follow-up."""
    hide_hint(page)
    recorder = Recorder(page)
    before = page.locator(PICTURE).count()
    page.click(COMPOSER)
    recorder.take(_PAUSE)
    recorder.type("/generate picture")
    page.wait_for_selector(".command-entry")
    recorder.take(_PAUSE)
    recorder.press("Enter")
    recorder.type(_PROMPT)
    recorder.take(_PAUSE)
    recorder.press("Enter")
    _record_result(page, recorder, before)
    recorder.take(_SEEN)
    press(page, "Upscale")
    _record_result(page, recorder, before + 1)
    recorder.take(_END)
    recorder.save(folder / "demo.webp")


def _record_result(page: Page, recorder: Recorder, before: int) -> None:
    """Record until there are more than `before` pictures and the newest one is loaded."""
    until = time.monotonic() + _SECONDS
    while page.locator(PICTURE).count() <= before and time.monotonic() < until:
        recorder.take(_LOOK)
        page.wait_for_timeout(_LOOK)
    page.wait_for_selector(BAR, state="detached")
    page.wait_for_function(LOADED)
    page.wait_for_timeout(SECOND)
