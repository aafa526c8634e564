"""`make screenshots`: use the demo's page as people do, and take the pictures of the documentation.

The command needs Playwright, which no requirement file lists (`pip install playwright`), and Chromium, at the
path in the environment variable CHROMIUM or on the PATH.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageChops

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP, TALL, PHONE = (
    {"width": 1280, "height": 800},
    {"width": 1280, "height": 1000},
    {"width": 390, "height": 844},
)
ANIMATED, SCALE, MOST_BYTES = {"width": 860, "height": 640}, 1.25, 2_000_000
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
LINK = re.compile(r"^ *(?P<title>\S.*?) +(?P<link>http://127\.0\.0\.1:\d+/#\S+)$")
MESSAGES = "#channel-message-list"
BAR = f"{MESSAGES} >> text=/▰+▱* *\\d+%/"
LOADED = """() => [...document.querySelectorAll("#channel-message-list img")]
    .filter(picture => picture.getBoundingClientRect().bottom > 0)
    .every(picture => picture.naturalWidth)"""
PICTURE = f"{MESSAGES} img[src^='blob:']"
COMPOSER = "#channel-composer-input"
CHANNEL = "#channel-layout"
PICTURES, REVIEW, INBOX = "#pictures", "#review", "Ada's direct messages"
SECOND = 1000
MINUTE = 60 * SECOND


class NotPossible(Exception):
    """Raised if something that the screenshots need is missing."""


@contextmanager
def browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  # need not be installed
    except ImportError as error:
        raise NotPossible("Playwright is missing: .venv/bin/pip install playwright") from error
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise NotPossible("No Chromium was found. Install one, or name it in CHROMIUM.")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=["--no-sandbox"], headless=True)


@contextmanager
def demo() -> Iterator[Mapping[str, str]]:
    """Run the demo as a separate process, and yield the URLs of its pages by their titles."""
    command = [sys.executable, "-m", "demo", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own module
    try:
        lines = takewhile(lambda line: "Ctrl-C" not in line, iter(process.stdout or ()))
        links = {match["title"]: match["link"] for match in filter(None, map(LINK.match, lines))}
        if not links:
            raise NotPossible("The demo ended before it had a page.")
        yield links
    finally:
        process.terminate()
        process.communicate(timeout=20)


def open_page(
    chrome: Browser, link: str, size: dict[str, int], scale: float = 1, *, shows: str = PICTURE
) -> Page:
    page = chrome.new_page(viewport=size, device_scale_factor=scale, color_scheme="dark")
    page.set_default_timeout(MINUTE)
    page.goto(link)
    page.wait_for_selector("#demo-tour", state="attached").evaluate("tour => { tour.open = false }")
    page.wait_for_selector(shows, state="attached")
    return page


def become(page: Page, name: str) -> None:
    page.select_option("#viewer-picker", label=name)
    page.wait_for_selector(PICTURE)


def send(page: Page, command: str, *given: str, **more: str) -> None:
    """Send a command with the values of its required options in order, and other options by name."""
    page.click(COMPOSER)
    page.keyboard.type(f"/{command}", delay=30)
    page.wait_for_selector(".command-entry")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    for value in given:
        page.keyboard.type(value, delay=15)
    for name, value in more.items():
        page.click(".command-ghost")
        page.click(f".command-suggestion[data-value='{name}']")
        page.fill(f".command-option-input[data-option='{name}']", value)
    page.click("#send-message")


def start(page: Page, deployment: str, prompt: str) -> None:
    """Request a picture, and wait for its status message."""
    send(page, f"generate {deployment}", prompt)
    shown(page, prompt)


def shown(page: Page, words: str) -> None:
    """Wait until a message in the channel contains these words."""
    page.wait_for_selector(f"{MESSAGES} >> text={words}")


def choose(page: Page, select: str, value: str) -> None:
    """Choose an option of the first select with this label.

    Uses the keyboard, and retries if the page redraws the select.
    """
    trigger = page.locator(".select-trigger").filter(has_text=select).first
    trigger.wait_for()
    while not page.locator(".is-open").count():
        trigger.focus()
        page.keyboard.press("Enter")
        page.wait_for_timeout(500)
    page.locator(".is-open [role=option]").filter(has_text=value).first.click()


def press(page: Page, label: str) -> None:
    page.locator(f"button:has-text('{label}') >> visible=true").last.click()


def press_in_more(page: Page, label: str) -> None:
    press(page, "⋯ More")
    page.locator(f"button:has-text('{label}') >> visible=true").wait_for()
    press(page, label)


def shoot(page: Page, folder: Path, name: str, part: str | None = None) -> None:
    """Take a picture of the page or a part of it, scrolled to the newest message, once it has loaded."""
    page.wait_for_timeout(700)
    page.locator("#channel-timeline").evaluate("box => { box.scrollTop = box.scrollHeight }")
    page.wait_for_timeout(300)
    page.wait_for_function(LOADED)
    path = folder / f"{name}.png"
    (page.locator(part) if part else page).screenshot(path=path)
    print(path, flush=True)


def take_readme(chrome: Browser, links: Mapping[str, str], folder: Path) -> None:
    """Take the README's picture, and its animation of a request from the first letter to a follow-up."""
    page = open_page(chrome, links[PICTURES], DESKTOP)
    page.click("#demo-hint button")
    shoot(page, folder, "demo", CHANNEL)
    page = open_page(chrome, links[PICTURES], ANIMATED, SCALE)
    page.click("#demo-hint button")
    recorder, before = Recorder(page), page.locator(PICTURE).count()
    page.click(COMPOSER)
    recorder.take(700)
    recorder.type("/generate picture")
    page.wait_for_selector(".command-entry")
    recorder.press("Enter")
    recorder.type("mountains under a full moon")
    recorder.press("Enter")
    recorder.until_picture(before + 1)
    recorder.take(2 * SECOND)
    press(page, "Upscale")
    recorder.until_picture(before + 2)
    recorder.take(4 * SECOND)
    recorder.save(folder / "demo.webp")


class Recorder:
    """Takes frames of the conversation; a frame without changes extends the previous one."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._frames: list[Image.Image] = []
        self._times: list[int] = []

    def take(self, milliseconds: int) -> None:
        shot = self._page.locator(CHANNEL).screenshot()
        frame = Image.open(io.BytesIO(shot)).convert("RGB")
        if self._frames and ImageChops.difference(self._frames[-1], frame).getbbox() is None:
            self._times[-1] += milliseconds
        else:
            self._frames.append(frame)
            self._times.append(milliseconds)

    def type(self, text: str) -> None:
        for begin in range(0, len(text), 3):
            self._page.keyboard.type(text[begin : begin + 3])
            self.take(90)
        self.take(700)

    def press(self, key: str) -> None:
        self._page.keyboard.press(key)
        self.take(700)

    def until_picture(self, count: int) -> None:
        """Record until there are `count` pictures and the newest one is loaded."""
        until = time.monotonic() + 60
        while self._page.locator(PICTURE).count() < count and time.monotonic() < until:
            self.take(250)
            self._page.wait_for_timeout(250)
        self._page.wait_for_selector(BAR, state="detached")
        self._page.wait_for_function(LOADED)
        self._page.wait_for_timeout(SECOND)

    def save(self, path: Path) -> None:
        """Save an animation, with a quality at which the file is small enough for a README."""
        first, *others = self._frames
        for quality in range(80, 20, -10):
            first.save(
                path, save_all=True, append_images=others, duration=self._times, loop=0, quality=quality
            )
            if path.stat().st_size <= MOST_BYTES:
                break
        print(f"{path} ({path.stat().st_size / 1000:.0f} kB)", flush=True)


def take_setup(chrome: Browser, links: Mapping[str, str], folder: Path) -> None:
    """Take the pictures of single requests: in progress, done, failed and cancelled, also on a phone."""
    page = open_page(chrome, links[PICTURES], DESKTOP)
    page.click(COMPOSER)
    page.keyboard.type("/", delay=30)
    page.wait_for_selector(".command-entry")
    shoot(page, folder, "commands")
    page.keyboard.press("Backspace")
    become(page, "Ben")
    start(page, "picture", "mountains under a full moon")
    page.wait_for_selector(BAR)
    shoot(page, folder, "progress")
    page.wait_for_selector(BAR, state="detached")
    page.locator(PICTURE).nth(1).wait_for()
    shoot(page, folder, "result")
    start(page, "trouble", "a valley full of fog")
    shown(page, "Failed: ")
    shoot(page, folder, "failure")
    start(page, "slow", "a forest, leaf by leaf")
    page.wait_for_selector(BAR)
    press(page, "Cancel")
    shown(page, "Cancelled:")
    shoot(page, folder, "cancelled")
    shoot(open_page(chrome, links[PICTURES], PHONE, scale=2), folder, "phone")


def take_using(chrome: Browser, links: Mapping[str, str], folder: Path) -> None:
    """Take the pictures of docs/using.md: the Edit form, Details, the lists, the help, and a batch."""
    page = open_page(chrome, links[PICTURES], DESKTOP)
    become(page, "Ada")
    press(page, "Edit")
    page.wait_for_selector("[role=dialog]")
    shoot(page, folder, "edit")
    page.keyboard.press("Escape")
    press_in_more(page, "Details")
    shown(page, "Details: ")
    shoot(page, folder, "details")
    send(page, "preset save", "island")
    shown(page, "Saved as")
    _shoot_answer(page, folder, "presets", "preset list", "Presets")
    start(page, "slow", "a forest, leaf by leaf")
    page.wait_for_selector(BAR)
    _shoot_answer(page, folder, "runs", "runs", "Your requests")
    _shoot_answer(page, folder, "queue", "queue", "Running and waiting")
    _shoot_answer(page, folder, "help", "help", "Type a command below")
    become(page, "Ben")
    page.wait_for_selector(BAR, state="detached")  # otherwise Ada's result may come last
    page.set_viewport_size(TALL)
    send(page, "generate picture", "the same hill in another light", count="4")
    shown(page, "of 4 done")
    shoot(page, folder, "several-progress")
    shown(page, "Pick a number")
    shoot(page, folder, "several")
    page.locator(f"{MESSAGES} button:has(:text-is('3'))").last.click()
    shown(page, ": number 3")
    shoot(page, folder, "several-one")


def _shoot_answer(page: Page, folder: Path, name: str, command: str, words: str) -> None:
    send(page, command)
    shown(page, words)
    shoot(page, folder, name)


def take_moderation(chrome: Browser, links: Mapping[str, str], folder: Path) -> None:
    """Take the pictures of docs/moderation.md: one request is approved and reported, another rejected."""
    page = open_page(chrome, links[PICTURES], DESKTOP)
    review, inbox = (open_page(chrome, links[title], DESKTOP, shows=COMPOSER) for title in (REVIEW, INBOX))
    become(page, "Mia")
    _shoot_answer(page, folder, "settings", "settings", "Settings of")
    page.locator(f"{MESSAGES} button:has-text('Change')").first.click()  # Approval is the first section
    choose(page, "Nobody", "Everybody")
    page.wait_for_timeout(500)
    page.screenshot(path=folder / "approval.png")
    press(page, "Submit")
    shown(page, "nobody → everybody")
    become(page, "Ada")
    send(page, "generate picture", "a lighthouse in a storm")
    shown(page, "Waiting for approval")
    shoot(page, folder, "waiting")
    shown(review, "New request")
    shoot(review, folder, "review")
    press(review, "Approve")
    shown(review, "Approved by")
    shoot(review, folder, "approved")
    page.locator(PICTURE).nth(1).wait_for()
    shoot(page, folder, "approved-result")
    become(page, "Ben")
    press_in_more(page, "Report")
    page.get_by_text("Against this server's rules").click()
    press(page, "Submit")
    shown(review, "Reported:")
    review.wait_for_selector(PICTURE, state="attached")
    review.set_viewport_size(TALL)
    shoot(review, folder, "report")
    review.set_viewport_size(DESKTOP)
    press(review, "Dismiss")
    shown(review, "Dismissed by")
    become(page, "Ada")
    send(page, "generate picture", "a city of glass")
    press(review, "Reject")
    review.fill("[role=dialog] textarea", "Landscapes only this week, please.")
    press(review, "Submit")
    shown(review, "Rejected by")
    shown(inbox, "Landscapes only")
    shoot(inbox, folder, "reason")


def take_picture_check(chrome: Browser, links: Mapping[str, str], folder: Path) -> None:
    """Take the picture of a flagged result, which waits in the review channel."""
    page = open_page(chrome, links[PICTURES], DESKTOP)
    review = open_page(chrome, links[REVIEW], DESKTOP, shows=COMPOSER)
    review.click("#demo-hint button")
    send(page, "generate picture", "a lurid sunset over a swamp", size="landscape")
    shown(review, "Waiting for a moderator")
    review.wait_for_selector(PICTURE, state="attached")
    shoot(review, folder, "picture-check")


PARTS: dict[str, Callable[[Browser, Mapping[str, str], Path], None]] = {
    "readme": take_readme,
    "setup": take_setup,
    "using": take_using,
    "moderation": take_moderation,
    "picture-check": take_picture_check,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/pictures"))
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; default: all")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        for part in options.parts or PARTS:
            with demo() as links, browser() as chrome:
                PARTS[part](chrome, links, options.folder)
    except NotPossible as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
