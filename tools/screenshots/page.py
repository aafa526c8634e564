"""Start the demo, and use its page as a user would: typing, choosing, pressing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
LINK = re.compile(r"^ *(?P<title>\S.*?) +(?P<link>http://127\.0\.0\.1:\d+/#\S+)$")
MESSAGES = "#channel-message-list"
BAR = "#channel-message-list >> text=/▰+▱* *\\d+%/"
LOADED = """() => [...document.querySelectorAll("#channel-message-list img")]
    .filter(picture => picture.getBoundingClientRect().bottom > 0)
    .every(picture => picture.naturalWidth)"""
PICTURE = "#channel-message-list img[src^='blob:']"
COMPOSER = "#channel-composer-input"
CHANNEL = "#channel-layout"
PICTURES, REVIEW, INBOX = "#pictures", "#review", "Ada's direct messages"
HINT = "#demo-hint"
TOUR = "#demo-tour"
SECOND = 1000


class NotPossible(Exception):
    """Raised if something that the screenshots need is missing."""


def chromium() -> str:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise NotPossible("No Chromium was found. Install one, or name it in CHROMIUM.")
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  # need not be installed
    except ImportError as error:
        raise NotPossible("Playwright is missing: .venv/bin/pip install playwright") from error
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"], headless=True)


@contextmanager
def demo() -> Iterator[Mapping[str, str]]:
    """Run the demo as a separate process, and yield the URLs of its pages by their titles."""
    command = [sys.executable, "-m", "demo", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own module
    try:
        lines = iter(process.stdout or ())
        found = filter(None, map(LINK.match, takewhile(_not_over, lines)))
        links = {match["title"]: match["link"] for match in found}
        if not links:
            raise NotPossible("The demo ended before it had a page.")
        yield links
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _not_over(line: str) -> bool:
    return "Ctrl-C" not in line


def open_page(
    chrome: Browser, link: str, size: dict[str, int], scale: float = 1, *, shows: str = PICTURE
) -> Page:
    page = chrome.new_page(viewport=size, device_scale_factor=scale, color_scheme="dark")
    page.set_default_timeout(60 * SECOND)
    page.goto(link)
    page.wait_for_selector(TOUR, state="attached").evaluate("tour => { tour.open = false }")
    page.wait_for_selector(shows, state="attached")
    return page


def become(page: Page, name: str) -> None:
    page.select_option("#viewer-picker", label=name)
    page.wait_for_selector(PICTURE)


def start(page: Page, command: str, prompt: str) -> None:
    ask(page, command, prompt)
    page.wait_for_selector(f"#channel-message-list >> text={prompt}")


def ask(page: Page, command: str, prompt: str) -> None:
    """Type the command, accept the page's suggestion, type the prompt, and send the command."""
    page.click("#channel-composer-input")
    page.keyboard.type(f"/generate {command}", delay=30)
    page.wait_for_selector(".command-entry")
    page.keyboard.press("Enter")
    page.keyboard.type(prompt, delay=15)
    page.keyboard.press("Enter")


def send(page: Page, command: str, *given: str, **more: str) -> None:
    """Send a command with its required options in order, and the other options by name."""
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


def shown(page: Page, words: str) -> None:
    """Wait until a message in the channel contains these words. Other parts of the page are ignored."""
    page.wait_for_selector(f"#channel-message-list >> text={words}")


def choose(page: Page, select: str, value: str, *, first: bool = False) -> None:
    """Choose an option of the last select with this label, or of the first.

    Uses the keyboard, and retries if the page redraws the select.
    """
    found = page.locator(".select-trigger").filter(has_text=select)
    trigger = found.first if first else found.last
    trigger.wait_for()
    while not page.locator(".is-open").count():
        trigger.focus()
        page.keyboard.press("Enter")
        page.wait_for_timeout(500)
    page.locator(".is-open [role=option]").filter(has_text=value).first.click()


def press(page: Page, label: str) -> None:
    page.locator(f"button:has-text('{label}') >> visible=true").last.click()


def hide_hint(page: Page) -> None:
    """Take the demo's hint for newcomers off the page."""
    page.wait_for_selector(HINT)
    page.locator(HINT).evaluate("hint => hint.remove()")


def shoot(page: Page, folder: Path, name: str, *, conversation: bool = False) -> None:
    """Take a picture once the page has loaded, scrolled to the newest message.

    With `conversation`, the picture shows only the channel, without the page's toolbar, list of channels and
    hint.
    """
    if conversation:
        hide_hint(page)
    page.wait_for_timeout(700)
    page.locator("#channel-timeline").evaluate("box => { box.scrollTop = box.scrollHeight }")
    page.wait_for_timeout(300)
    page.wait_for_function(LOADED)
    path = folder / f"{name}.png"
    if conversation:
        page.locator(CHANNEL).screenshot(path=path)
    else:
        page.screenshot(path=path)
    print(f"{folder / name}.png", flush=True)
