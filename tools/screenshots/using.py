"""The pictures of docs/using.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tools.screenshots.page import BAR, DESKTOP, SECOND, become, press, send, shoot, shown, start

if TYPE_CHECKING:
    from playwright.sync_api import Page


def take_using(page: Page, folder: Path) -> None:
    """Take the pictures of the Edit form, Details, the lists and the help. The page must show a result."""
    become(page, "Ada")
    press(page, "Edit")
    page.wait_for_selector("[role=dialog]")
    shoot(page, folder, "edit")
    page.keyboard.press("Escape")
    press(page, "⋯ More")
    page.locator("button:has-text('Details') >> visible=true").wait_for()
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
    shown(page, "Type a command below")
    shoot(page, folder, "help")


def take_several(page: Page, folder: Path) -> None:
    """Take the pictures of a batch: in progress, as one result, and with one run opened by its number."""
    become(page, "Ben")
    page.wait_for_selector(BAR, state="detached")  # otherwise a result of `take_using` may come last
    page.wait_for_timeout(2 * SECOND)  # the page forgets a new size while a message changes
    page.set_viewport_size({**DESKTOP, "height": 1000})
    send(page, "generate picture", "the same hill in another light", count="4")
    shown(page, "of 4 done")
    shoot(page, folder, "several-progress")
    shown(page, "Pick a number")
    shoot(page, folder, "several")
    page.locator("#channel-message-list button:has(:text-is('3'))").last.click()
    shown(page, ": number 3")
    shoot(page, folder, "several-one")
    page.set_viewport_size(DESKTOP)
