"""Attached files whose links ran out while a request waited: the review card holds our own copies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from bot.delivery.posting import Poster, PostError, Unclear
from bot.deployments.catalogue import Catalogue
from bot.deployments.model import ATTACHMENTS
from bot.domain.errors import NotNow, RefusedError
from bot.domain.runs import InputValue, Run
from bot.store.reviews import ReviewStore

# The machine downloads its inputs later, when a GPU is free.
_NEEDED_FOR = timedelta(hours=1)


def expires_soon(url: str, now: datetime) -> bool:
    """Whether a signed link of Discord's runs out before the machine can be sure to have used it."""
    stamp = parse_qs(urlsplit(url).query).get("ex", [""])[0]
    try:
        return datetime.fromtimestamp(int(stamp, 16), UTC) < now + _NEEDED_FOR
    except (ValueError, OverflowError, OSError):
        return False


class AttachmentRenewer:
    """Gives a run's inputs with links that work."""

    def __init__(self, catalogue: Catalogue, reviews: ReviewStore, poster: Poster) -> None:
        self._catalogue = catalogue
        self._reviews = reviews
        self._poster = poster

    async def inputs(self, run: Run, now: datetime) -> Mapping[str, InputValue]:
        """The run's inputs. Raises RefusedError when a file has to be attached again, NotNow when Discord
        did not answer."""
        keys = self._attachment_keys(run)
        old = [url for key in keys for url in _urls(run.inputs[key])]
        if not any(expires_soon(url, now) for url in old):
            return run.inputs
        new = await self._copies(run, len(old))
        fresh = iter(new)
        renewed = dict(run.inputs)
        for key in keys:
            value = run.inputs[key]
            urls = [next(fresh) for _ in _urls(value)]
            renewed[key] = urls if isinstance(value, list) else urls[0]
        return renewed

    def _attachment_keys(self, run: Run) -> list[str]:
        deployment = self._catalogue.get(run.deployment)
        if deployment is None:
            return []
        return [i.key for i in deployment.offered if i.kind in ATTACHMENTS and i.key in run.inputs]

    async def _copies(self, run: Run, many: int) -> list[str]:
        """The card's attachments are named by their number, in the order of the inputs; several share one."""
        place = await self._reviews.card(run.lead_key)
        if place is None:
            raise RefusedError("attachment_expired")
        try:
            found = await self._poster.attachments(*place)
        except Unclear as error:
            raise NotNow(str(error)) from error
        except PostError as error:
            raise RefusedError("attachment_expired", str(error)) from error
        stems = {name.rpartition(".")[0]: url for name, url in found.items()}
        copies = [stems.get(f"{run.deployment}-{run.lead_key}-{number}") for number in range(1, many + 1)]
        if None in copies:
            raise RefusedError("attachment_expired")
        return [url for url in copies if url is not None]


def _urls(value: InputValue) -> list[str]:
    return value if isinstance(value, list) else [str(value)]
