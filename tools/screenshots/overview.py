"""Pictures of single requests for docs/using.md and docs/setup.md, and of a few kinds of results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tools.screenshots.page import BAR, PICTURE, become, shoot, shown, start

if TYPE_CHECKING:
    from playwright.sync_api import Page


def take(page: Page, folder: Path) -> None:
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
    shown(page, "Failed: ")
    shoot(page, folder, "failure")
    start(page, "slow", "a forest, leaf by leaf")
    page.wait_for_selector(BAR)
    page.click("button:has-text('Cancel') >> visible=true")
    shown(page, "Cancelled:")
    shoot(page, folder, "cancelled")


def take_more(page: Page, folder: Path) -> None:
    start(page, "text", "an old map of the islands")
    shown(page, "after the words")
    shoot(page, folder, "text")
    start(page, "several", "four seasons of the same hill")
    page.wait_for_selector(BAR)
    page.wait_for_selector(BAR, state="detached")
    shoot(page, folder, "variations")
    start(page, "video", "clouds over a mountain lake")
    page.wait_for_selector("#channel-message-list video")
    shoot(page, folder, "film")
