"""Renew the links to attached files before the queue call, because Discord's links expire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from bot.context import App
from bot.deployments.inputs import Input
from bot.deployments.model import deployment_of
from bot.discord_api.errors import PostError, Unanswered
from bot.domain.errors import DiscordAway, NotNow, RefusedError
from bot.domain.runs import InputValue, Run
from bot.domain.text.file_names import file_stem, without_suffix

# The machine downloads its inputs later, when a GPU is free.
_MIN_LINK_LIFETIME = timedelta(hours=1)


def expires_soon(url: str, now: datetime) -> bool:
    """Return whether a signed Discord link has expired or expires within an hour.

    Returns False for a link without an expiry.
    """
    end = _end_of(url)
    return end is not None and end < now + _MIN_LINK_LIFETIME


def _end_of(url: str) -> datetime | None:
    """Return when a signed Discord link expires, or None for any other text."""
    try:
        stamp = parse_qs(urlsplit(url).query).get("ex", [""])[0]
        return datetime.fromtimestamp(int(stamp, 16), UTC)
    except (ValueError, OverflowError, OSError):
        return None


async def renewed_inputs(app: App, run: Run, now: datetime) -> Mapping[str, InputValue]:
    """Return the run's inputs with links that work.

    Raises RefusedError if a file has to be attached again, DiscordAway during an outage, or NotNow if
    Discord answers other calls but doesn't return the card.
    """
    deployment = deployment_of(run, app.catalogue.all())
    items = deployment.inputs if deployment is not None else {}
    keys = _attachment_keys(run, items)
    old = [url for key in keys for url in _urls(run.inputs[key])]
    if not any(expires_soon(url, now) for url in old):
        return run.inputs
    if len(keys) > 1 and not items.keys() >= set(keys):
        raise RefusedError("attachment_expired", "the order of the inputs isn't known any more")
    renewed_urls = iter(await _card_urls(app, run, len(old)))
    renewed = dict(run.inputs)
    for key in keys:
        value = run.inputs[key]
        urls = [next(renewed_urls) for _ in _urls(value)]
        renewed[key] = urls if isinstance(value, list) else urls[0]
    return renewed


async def _card_urls(app: App, run: Run, count: int) -> list[str]:
    """Return fresh links to the `count` attachments of a batch, from its review card.

    The numbers in the card's file names follow the order of the deployment's inputs. If the card has more
    files, the deployment has changed, and the numbers may be those of other inputs. Raises the same
    errors as `renewed_inputs`.
    """
    card = await app.store.reviews.card(run.request_key)
    if card is None:
        raise RefusedError("attachment_expired")
    try:
        found = await app.discord.attachments(*card)
    except Unanswered as error:
        if await app.discord.answers():
            raise NotNow(str(error)) from error
        raise DiscordAway(str(error)) from error
    except PostError as error:
        raise RefusedError("attachment_expired", str(error)) from error
    stems = {without_suffix(name): url for name, url in found.items()}
    named = [file_stem(run.deployment, run.request_key, number) for number in range(1, count + 2)]
    urls = [stems[name] for name in named if name in stems]
    if len(urls) != count or named[-1] in stems:
        raise RefusedError("attachment_expired")
    return urls


def _attachment_keys(run: Run, items: Mapping[str, Input]) -> list[str]:
    """Return the run's inputs that hold attached files, in the deployment's order.

    An input that the deployment has hidden or lost since the request counts if its links can expire.
    """
    keys = [*(key for key in items if key in run.inputs), *(key for key in run.inputs if key not in items)]
    return [key for key in keys if _is_attached(items.get(key), run.inputs[key])]


def _is_attached(item: Input | None, value: InputValue) -> bool:
    if item is not None and item.offered:
        return item.takes_file
    return any(_end_of(url) is not None for url in _urls(value))


def _urls(value: InputValue) -> list[str]:
    return value if isinstance(value, list) else [str(value)]
