"""Read messages as a person sees them: the text, the buttons, the files, and who is pinged."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from bot.domain.errors import BotError
from tests.harness import Harness

TEXT, BUTTON, SELECT, GALLERY, UPLOAD, RADIO_GROUP, CHECKBOX = 10, 2, 3, 12, 19, 21, 23
THUMBNAIL = 11
# How ComfyDeploy's error bodies begin, as JSON inside JSON and as Python shows them.


def stored(bot: Harness, message: Any) -> Any:
    """Return a message as Discord keeps it."""
    channel_id = getattr(message, "channel_id", None) or message.channel.id
    return bot.env.backend.get_message(channel_id, message.id)


def raw_components(bot: Harness, message: Any) -> list[dict[str, Any]]:
    return list(stored(bot, message).components)


def text_of(bot: Harness, message: Any) -> str:
    """Return all text of a message, classic or of components."""
    texts = [part["content"] for part in walk(raw_components(bot, message)) if part["type"] == TEXT]
    return "\n".join([message.content, *texts]).strip()


def buttons_of(bot: Harness, message: Any) -> dict[str, str]:
    """Return the custom_id of each button by its label."""
    found = [part for part in walk(raw_components(bot, message)) if part["type"] == BUTTON]
    return {part["label"]: part["custom_id"] for part in found}


def texts(bot: Harness, channel: Any = None) -> list[str]:
    """Return the text of each message in the channel, oldest first."""
    return [text_of(bot, message) for message in bot.messages(channel)]


def pinged(bot: Harness, of: str = "users") -> list[int]:
    """Return every user or role that a request of the bot could have pinged, in order; edits never ping."""
    found: list[int] = []
    for request in bot.env.http_requests:
        body = request.json if isinstance(request.json, dict) else {}
        body = body.get("data", body) if request.path.endswith("/callback") else body
        if request.method != "POST" or "allowed_mentions" not in body:
            continue
        allowed = body["allowed_mentions"]
        assert not allowed.get("parse"), f"{request.path} lets its text decide who is pinged"
        found += [int(each) for each in allowed.get(of, [])]
    return found


def requests_to(bot: Harness, method: str, part: str) -> list[Any]:
    """Return the bot's calls to Discord whose path contains `part`."""
    return [each for each in bot.env.http_requests if each.method == method and part in each.path]


def edits(bot: Harness) -> int:
    """Count the edits of the bot's messages."""
    return len(requests_to(bot, "PATCH", "/messages/"))


def unblock_buttons(bot: Harness, message: Any) -> dict[int, str]:
    """Return the custom_id of each *Unblock* button of `/blocked` by its user's id, in order."""
    found = (part.get("custom_id", "") for part in walk(raw_components(bot, message)))
    return {int(each.split(":")[2]): each for each in found if each.startswith("unblock:")}


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for component in components:
        yield component
        yield from walk(component.get("components", []))
        yield from walk([component["accessory"]] if component.get("accessory") else [])


def refusal(bot: Harness, result: Any) -> str:
    """Return the text of an ephemeral answer; check that the bot raised no error without words for it.

    After a deferred answer that everybody saw, it is a follow-up.
    """
    for error in bot.env.errors:
        assert isinstance(getattr(error, "original", error), BotError), error
    answer = result.response
    if not result.ephemeral:
        assert text_of(bot, answer) == "I've answered this privately."
        (answer,) = result.followups
        assert answer.ephemeral
    return text_of(bot, answer)


def menus(bot: Harness, message: Any) -> dict[str, list[tuple[str, str]]]:
    """Return the options (label, run key) of each menu under a list, by the menu's placeholder."""
    rows = [part["components"] for part in raw_components(bot, message) if part["type"] == 1]
    return {
        part["placeholder"]: [(option["label"], option["value"]) for option in part["options"]]
        for row in rows
        for part in row
        if part["type"] == SELECT
    }


def fields(modal: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields of a form by their custom_ids."""
    return {label["component"]["custom_id"]: label["component"] for label in modal["components"]}


def hidden(bot: Harness, message: Any) -> list[bool]:
    """Return for each picture of a message whether it is behind a spoiler."""
    galleries = [part for part in walk(raw_components(bot, message)) if part["type"] == GALLERY]
    return [bool(item.get("spoiler")) for gallery in galleries for item in gallery["items"]]


def filled(modal: dict[str, Any]) -> dict[str, Any]:
    """Return a form's values as a client sends them if nothing is changed."""
    return {
        field["custom_id"]: _untouched(field) for field in fields(modal).values() if field["type"] != UPLOAD
    }


def _untouched(field: dict[str, Any]) -> Any:
    if field["type"] == CHECKBOX:
        return bool(field.get("default"))
    if field["type"] not in (SELECT, RADIO_GROUP):
        return field.get("value") or ""
    chosen = [option["value"] for option in field["options"] if option.get("default")]
    return chosen if field["type"] == SELECT else next(iter(chosen), None)


async def csv_of(result: Any, separator: str = ",") -> tuple[str, list[dict[str, str]]]:
    """Return the answer to *CSV file*, and the rows of its file in a program that separates so."""
    (answer,) = [*result.followups, *([result.response] if result.response else [])]
    assert answer.ephemeral
    (attachment,) = answer.attachments
    assert attachment.filename == "audit.csv"
    text = (await attachment.read()).decode("utf-8-sig")
    return answer.content, list(csv.DictReader(io.StringIO(text), delimiter=separator))
