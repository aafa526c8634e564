"""`make screenshots`: the pictures of the documentation, taken from the real page of the demo.

Types as a person would. Needs Playwright (`pip install playwright`, in no requirement file: only this script
uses it) and a Chromium: CHROMIUM, or one on the PATH.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
LINK = re.compile(r"http://127\.0\.0\.1:\d+/#\S+")
BAR = "text=/▰+▱* *\\d+%/"
PICTURE = "#channel-message-list img[src^='blob:']"
COMPOSER = "#channel-composer-input"
SECOND = 1000


class NotPossible(Exception):
    """What is missing, in a sentence."""


def chromium() -> str:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise NotPossible("No Chromium was found. Install one, or name it in CHROMIUM.")
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  # an optional tool
    except ImportError as error:
        raise NotPossible("Playwright is missing: .venv/bin/pip install playwright") from error
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"], headless=True)


@contextmanager
def demo() -> Iterator[list[str]]:
    """The demo as its own process; gives the pages' addresses: #pictures, #review, direct messages."""
    command = [sys.executable, "-m", "demo", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own module
    try:
        lines = iter(process.stdout or ())
        links = [found[0] for line in takewhile(_not_over, lines) if (found := LINK.search(line))]
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
    page.wait_for_selector(shows, state="attached")
    return page


def become(page: Page, name: str) -> None:
    page.select_option("#viewer-picker", label=name)
    page.wait_for_selector(PICTURE)


def start(page: Page, command: str, prompt: str) -> None:
    ask(page, command, prompt)
    page.wait_for_selector(f"#channel-message-list >> text={prompt}")


def ask(page: Page, command: str, prompt: str) -> None:
    """Types the command until its only match, then the prompt, then sends it."""
    page.click("#channel-composer-input")
    page.keyboard.type(f"/generate {command}", delay=30)
    page.wait_for_selector(".command-entry")
    page.keyboard.press("Enter")
    page.keyboard.type(prompt, delay=15)
    page.keyboard.press("Enter")


def send(page: Page, command: str, *given: str) -> None:
    """A command with its needed options; those that may be left out are."""
    page.click(COMPOSER)
    page.keyboard.type(f"/{command}", delay=30)
    page.wait_for_selector(".command-entry")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    for value in given:
        page.keyboard.type(value, delay=15)
    page.click("#send-message")


def shown(page: Page, words: str) -> None:
    """In a message: descriptions in the list of commands say much the same."""
    page.wait_for_selector(f"#channel-message-list >> text={words}")


def choose(page: Page, select: str, value: str) -> None:
    """In the select with this label. By keyboard, and again where the page has just drawn itself anew."""
    trigger = page.locator(".select-trigger").filter(has_text=select).last
    trigger.wait_for()
    while not page.locator(".is-open").count():
        trigger.focus()
        page.keyboard.press("Enter")
        page.wait_for_timeout(500)
    page.locator(".is-open [role=option]").filter(has_text=value).first.click()


def press(page: Page, label: str) -> None:
    page.locator(f"button:has-text('{label}') >> visible=true").last.click()


def shoot(page: Page, folder: Path, name: str) -> None:
    """When everything on the page is loaded, scrolled to the newest message."""
    page.wait_for_timeout(700)
    page.locator("#channel-timeline").evaluate("box => { box.scrollTop = box.scrollHeight }")
    page.wait_for_timeout(300)
    page.screenshot(path=folder / f"{name}.png")
    print(f"{folder / name}.png", flush=True)  # noqa: T201  # what it made


def take(page: Page, folder: Path) -> None:
    shoot(page, folder, "demo")
    page.click("#channel-composer-input")
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
    page.wait_for_selector("text=That didn't work")
    shoot(page, folder, "failure")
    start(page, "slow", "a forest, leaf by leaf")
    page.wait_for_selector(BAR)
    page.click("button:has-text('Cancel') >> visible=true")
    page.wait_for_selector("text=Cancelled, as you asked")
    shoot(page, folder, "cancelled")


def take_moderation(page: Page, review: Page, inbox: Page, folder: Path) -> None:
    """Approval is switched on, one request approved, its result reported, and one request rejected."""
    become(page, "Mia")
    send(page, "settings")
    page.wait_for_selector("text=Settings of")
    shoot(page, folder, "settings")
    choose(page, "Choose what to change", "Approval")
    choose(page, "Choose a channel", "review")
    page.wait_for_selector("text=✅ Saved")
    choose(page, "Nobody", "Everybody")
    page.wait_for_selector("text=Nobody → Everybody")
    shoot(page, folder, "approval")
    become(page, "Ada")
    ask(page, "picture", "a lighthouse in a storm")
    page.wait_for_selector("text=Waiting for approval")
    shoot(page, folder, "waiting")
    review.wait_for_selector("text=waits for you")
    shoot(review, folder, "review")
    press(review, "Approve")
    review.wait_for_selector("text=Approved by")
    shoot(review, folder, "approved")
    page.wait_for_selector(BAR)
    page.wait_for_selector(BAR, state="detached")
    shoot(page, folder, "approved-result")
    become(page, "Ben")
    press(page, "Report")
    review.wait_for_selector("text=was reported")
    review.wait_for_selector(PICTURE, state="attached")
    review.set_viewport_size({**DESKTOP, "height": 1000})
    shoot(review, folder, "report")
    review.set_viewport_size(DESKTOP)
    press(review, "Dismiss")
    review.wait_for_selector("text=Dismissed by")
    become(page, "Ada")
    ask(page, "picture", "a city of glass")
    press(review, "Reject")
    review.fill("[role=dialog] textarea", "Landscapes only this week, please.")
    press(review, "Submit")
    review.wait_for_selector("text=Rejected by")
    page.wait_for_selector("text=Not approved")
    shoot(page, folder, "rejected")
    inbox.wait_for_selector("text=Landscapes only")
    shoot(inbox, folder, "reason")


def take_using(page: Page, folder: Path) -> None:
    """What a member does with a result, and the lists; on the page with its first picture."""
    become(page, "Ada")
    press(page, "Edit")
    page.wait_for_selector("[role=dialog]")
    shoot(page, folder, "edit")
    page.keyboard.press("Escape")
    press(page, "Details")
    shown(page, "To run the same again")
    shoot(page, folder, "details")
    send(page, "preset save", "island")
    shown(page, "Saved as")
    send(page, "preset list")
    shown(page, "Presets")
    shoot(page, folder, "presets")
    start(page, "slow", "a forest, leaf by leaf")
    page.wait_for_selector(BAR)
    send(page, "runs")
    shown(page, "Your requests")
    shoot(page, folder, "runs")
    send(page, "queue")
    shown(page, "Running and waiting")
    shoot(page, folder, "queue")
    send(page, "help")
    shown(page, "How to ask well")
    shoot(page, folder, "help")


def take_more(page: Page, folder: Path) -> None:
    start(page, "text", "an old map of the islands")
    page.wait_for_selector("#channel-message-list pre")
    shoot(page, folder, "text")
    start(page, "several", "four seasons of the same hill")
    page.wait_for_selector(BAR)
    page.wait_for_selector(BAR, state="detached")
    shoot(page, folder, "variations")
    start(page, "video", "clouds over a mountain lake")
    page.wait_for_selector("#channel-message-list video")
    shoot(page, folder, "film")


def take_moderated(chrome: Browser, page: Page, links: list[str], folder: Path) -> None:
    review, inbox = (open_page(chrome, link, DESKTOP, shows=COMPOSER) for link in links[1:3])
    take_moderation(page, review, inbox, folder)
    phone = open_page(chrome, links[1], PHONE, scale=2, shows="text=Rejected by")
    shoot(phone, folder, "review-phone")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--moderation", action="store_true", help="only those of docs/moderation.md")
    parser.add_argument("--using", action="store_true", help="only those of docs/using.md")
    parser.add_argument("--more", action="store_true", help="also text, several pictures and video")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    everything = not (options.moderation or options.using)
    try:
        if options.using or everything:
            with demo() as links, browser() as chrome:
                take_using(open_page(chrome, links[0], DESKTOP), options.folder)
        if options.using:
            return 0
        with demo() as links, browser() as chrome:
            page = open_page(chrome, links[0], DESKTOP)
            if everything:
                take(page, options.folder)
            if options.more:
                take_more(page, options.folder)
            if everything:
                shoot(open_page(chrome, links[0], PHONE, scale=2), options.folder, "phone")
            if options.moderation or everything:
                take_moderated(chrome, page, links, options.folder)
    except NotPossible as error:
        print(error, file=sys.stderr)  # noqa: T201  # the reason
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
