"""The pictures of docs/moderation.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tools.screenshots.page import (
    BAR,
    COMPOSER,
    DESKTOP,
    INBOX,
    MESSAGES,
    PICTURE,
    REVIEW,
    ask,
    become,
    choose,
    open_page,
    press,
    send,
    shoot,
    shown,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


# The sections of `/settings`, of which Approval is the first.
_SECTIONS = 10


def take_moderation(page: Page, review: Page, inbox: Page, folder: Path) -> None:
    """Take the pictures: turn approval on, approve one request, report its result, and reject another
    request.
    """
    become(page, "Mia")
    send(page, "settings")
    shown(page, "Settings of")
    shoot(page, folder, "settings")
    page.locator(f"{MESSAGES} button:has-text('Change')").nth(-_SECTIONS).click()
    choose(page, "Select an option", "review", first=True)
    choose(page, "Nobody", "Everybody")
    page.wait_for_timeout(500)
    page.screenshot(path=folder / "approval.png")
    press(page, "Submit")
    shown(page, "nobody → everybody")
    become(page, "Ada")
    ask(page, "picture", "a lighthouse in a storm")
    shown(page, "Waiting for approval")
    shoot(page, folder, "waiting")
    shown(review, "New request")
    shoot(review, folder, "review")
    press(review, "Approve")
    shown(review, "Approved by")
    shoot(review, folder, "approved")
    page.wait_for_selector(BAR)
    page.wait_for_selector(BAR, state="detached")
    shoot(page, folder, "approved-result")
    become(page, "Ben")
    press(page, "⋯ More")
    page.locator("button:has-text('Report') >> visible=true").wait_for()
    press(page, "Report")
    page.get_by_text("Against this server's rules").click()
    press(page, "Submit")
    shown(review, "Reported:")
    review.wait_for_selector(PICTURE, state="attached")
    review.set_viewport_size({**DESKTOP, "height": 1000})
    shoot(review, folder, "report")
    review.set_viewport_size(DESKTOP)
    press(review, "Dismiss")
    shown(review, "Dismissed by")
    become(page, "Ada")
    ask(page, "picture", "a city of glass")
    press(review, "Reject")
    review.fill("[role=dialog] textarea", "Landscapes only this week, please.")
    press(review, "Submit")
    shown(review, "Rejected by")
    shown(inbox, "Landscapes only")
    shoot(inbox, folder, "reason")


def take_moderated(chrome: Browser, page: Page, links: Mapping[str, str], folder: Path) -> None:
    review, inbox = (open_page(chrome, links[title], DESKTOP, shows=COMPOSER) for title in (REVIEW, INBOX))
    take_moderation(page, review, inbox, folder)
