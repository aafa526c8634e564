"""Prepare outputs for upload: fetched, named, made to fit. Renew the links of attachments."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bot.delivery.download import Media, MediaFetcher
from bot.delivery.posting import OutcomeUnknown, Poster, PostError
from bot.delivery.shrink import shrink_image
from bot.deployments.catalogue import Catalogue
from bot.deployments.model import ATTACHMENTS
from bot.domain.errors import (
    BackendError,
    MediaError,
    MediaExpired,
    MediaForbidden,
    MediaTooLarge,
    MediaUnavailable,
    NotNow,
    RefusedError,
    StartupError,
)
from bot.domain.runs import InputValue, Output, Run
from bot.domain.text import escape_line, shorten, strip_invisible
from bot.store.reviews import ReviewStore
from bot.strings import say
from bot.ui.components import GALLERY, FileKind, PreparedFile, PreparedOutputs

log = logging.getLogger(__name__)
# A picture above the upload limit is fetched all the same, because it can be recompressed.
PICTURE_LIMIT = 64 * 1024 * 1024
MAX_FILES = 40
_INLINE_TEXT = 1500
_ALT_TEXT = 500
_CONCURRENT_FETCHES = 4
Renew = Callable[[Run], Awaitable[Sequence[Output]]]
# A file, or the sentence that stands in for it.
PreparedItem = PreparedFile | str


class OutputPreparer:
    """Fetches a run's outputs into a folder. `renew` asks ComfyDeploy for links that have not expired."""

    def __init__(self, fetcher: MediaFetcher, renew: Renew) -> None:
        self._fetcher = fetcher
        self._renew = renew
        # A decoded picture may take hundreds of megabytes, so the process shrinks one at a time.
        self._shrinking = asyncio.Lock()

    async def prepare(self, run: Run, limit: int, folder: Path, *, last_try: bool) -> PreparedOutputs:
        """Return what can be shown with an upload limit of `limit` bytes per file; 0 links to everything.

        The runs of a batch share the folder and the space for texts.

        Raises MediaUnavailable if a retry may help; on the `last_try` a sentence stands in for the file.
        """
        try:
            return await self._prepare(run, run.outputs, limit, folder, last_try=False)
        except MediaExpired:
            log.info("the links have expired, asking for new ones")
        except MediaUnavailable:
            if not last_try:
                raise
        outputs = await self._renewed(run, last_try)
        return await self._prepare(run, outputs, limit, folder, last_try=last_try)

    async def _renewed(self, run: Run, last_try: bool) -> Sequence[Output]:
        try:
            return await self._renew(run)
        except BackendError as error:
            if not last_try:
                raise
            log.warning("no renewed links: %s", error)
            return run.outputs

    async def _prepare(
        self, run: Run, outputs: Sequence[Output], limit: int, folder: Path, *, last_try: bool
    ) -> PreparedOutputs:
        files = [output for output in outputs if output.url is not None]
        slots = asyncio.Semaphore(_CONCURRENT_FETCHES)

        async def one(number: int, output: Output) -> list[PreparedItem]:
            async with slots:
                return await self._file(run, number, output, limit, folder, last_try=last_try)

        shown = files[:MAX_FILES]
        prepared = await _all(one(number, output) for number, output in enumerate(shown, 1))
        with disk_errors():
            texts, text_files = _texts(run, [o.text for o in outputs if o.text is not None], folder)
        everything = [item for items in prepared for item in items]
        remarks = [item for item in everything if isinstance(item, str)]
        if len(files) > MAX_FILES:
            remarks.append(say("media_more", count=len(files) - MAX_FILES))
        return PreparedOutputs(
            files=(*(item for item in everything if isinstance(item, PreparedFile)), *text_files),
            texts=texts,
            remarks=tuple(remarks),
        )

    async def _file(
        self, run: Run, number: int, output: Output, limit: int, folder: Path, *, last_try: bool
    ) -> list[PreparedItem]:
        url = output.url or ""
        name = escape_line(output.filename or f"file {number}", 80)
        is_picture = (mimetypes.guess_type(output.filename or "")[0] or "").startswith("image/")
        path = folder / f"{run.key}-{number}"
        if limit == 0:
            return [say("media_too_large", name=name, url=url)]
        ceiling = max(PICTURE_LIMIT, limit) if is_picture else limit
        try:
            with disk_errors():
                with path.open("w+b") as file:
                    media = await self._fetcher.fetch(
                        url, limit_bytes=ceiling, into=file, filename=output.filename
                    )
                return await self._fitted(run, number, media, path, limit)
        except MediaForbidden as error:
            log.warning("output not fetched, its address is forbidden: %s", error)
            return [say("media_forbidden", name=name)]
        except MediaTooLarge:
            return [say("media_too_large", name=name, url=url)]
        except MediaExpired:
            if not last_try:
                raise
            return [say("media_unavailable", name=name, url=url)]
        except MediaError as error:
            if not last_try:
                raise
            log.warning("output not fetched: %s", error)
            return [say("media_unavailable", name=name, url=url)]

    async def _fitted(
        self, run: Run, number: int, media: Media, path: Path, limit: int
    ) -> list[PreparedItem]:
        kind = kind_of(media.content_type)
        if media.size <= limit:
            return [_prepared(run, number, path, Path(media.filename).suffix, kind)]
        suffix = await self._shrink(path, limit) if kind is FileKind.IMAGE else None
        if suffix is None:
            raise MediaTooLarge(media.filename)
        return [
            _prepared(run, number, path, suffix, kind),
            say("media_recompressed", name=escape_line(media.filename, 80)),
        ]

    async def _shrink(self, path: Path, limit: int) -> str | None:
        """Shrink a picture in place and return its new suffix, or None if it can't be made to fit."""
        async with self._shrinking:
            shrunk = await shrink_image(await asyncio.to_thread(path.read_bytes), limit)
            if shrunk is None:
                return None
            data, extension = shrunk
            await asyncio.to_thread(path.write_bytes, data)
            return f".{extension}"


async def _all(fetches: Iterable[Awaitable[list[PreparedItem]]]) -> list[list[PreparedItem]]:
    """Wait for all fetches, also if one fails: their folder is deleted afterwards."""
    results = await asyncio.gather(*fetches, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _prepared(run: Run, number: int, path: Path, extension: str, kind: FileKind) -> PreparedFile:
    """Name a file: the run key in its name lets the courier find its own message again."""
    prefix = "SPOILER_" if run.spoiler and kind not in GALLERY else ""
    alt = shorten(strip_invisible(run.prompt), _ALT_TEXT) if run.prompt and kind is FileKind.IMAGE else None
    return PreparedFile(path, f"{prefix}{file_stem(run, number)}{extension}", kind, alt)


def file_stem(run: Run, number: int) -> str:
    """Return the name of an output's file without its suffix."""
    return f"{run.deployment}-{run.key}-{number}"


def _texts(run: Run, texts: Sequence[str], folder: Path) -> tuple[tuple[str, ...], tuple[PreparedFile, ...]]:
    """Return texts to show in the message; if they are too long for that, a file with all of them."""
    if (inline := inline_texts(run, texts)) is not None:
        return inline, ()
    path = folder / f"{run.key}-text"
    path.write_text("\n\n".join(texts), encoding="utf-8")
    return (), (PreparedFile(path, f"{run.deployment}-{run.key}.txt", FileKind.OTHER),)


def inline_texts(run: Run, texts: Sequence[str]) -> tuple[str, ...] | None:
    """Return the texts to show in the message itself, or None if they are too long for it."""
    if sum(map(len, texts)) > _INLINE_TEXT // run.batch_size:
        return None
    return tuple(text for text in texts if text.strip())


def kind_of(content_type: str) -> FileKind:
    if content_type in ("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"):
        return FileKind.IMAGE
    if content_type in ("video/mp4", "video/webm", "video/quicktime"):
        return FileKind.VIDEO
    return FileKind.AUDIO if content_type.startswith("audio/") else FileKind.OTHER


def require_temporary_folder() -> None:
    """Raise StartupError if no temporary folder is writable, as on a read-only system without /tmp."""
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        raise StartupError(
            f"No folder for temporary files can be written ({error.strerror}), and results pass through one. "
            "Let the bot write to /tmp (in a container: --tmpfs /tmp), or name another in TMPDIR."
        ) from error


def temporary_folder() -> AbstractContextManager[str]:
    """Create a folder for one delivery. On a full disk it is unusable, but not every outcome needs one."""
    try:
        return tempfile.TemporaryDirectory(prefix="outputs-", ignore_cleanup_errors=True)
    except OSError as error:
        log.error("no temporary folder for outputs: %s", error)  # noqa: TRY400
        return nullcontext(os.devnull)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Map disk errors to a retryable `MediaUnavailable`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MediaUnavailable(f"it can't be put into a temporary file: {reason}") from error


# The machine downloads its inputs later, when a GPU is free.
_MIN_LINK_LIFETIME = timedelta(hours=1)


def expires_soon(url: str, now: datetime) -> bool:
    """Return whether a signed Discord link may expire before the machine downloads it."""
    stamp = parse_qs(urlsplit(url).query).get("ex", [""])[0]
    try:
        return datetime.fromtimestamp(int(stamp, 16), UTC) < now + _MIN_LINK_LIFETIME
    except (ValueError, OverflowError, OSError):
        return False


class AttachmentRenewer:
    """Renews the links of a run's attachments from its review card."""

    def __init__(self, catalogue: Catalogue, reviews: ReviewStore, poster: Poster) -> None:
        self._catalogue = catalogue
        self._reviews = reviews
        self._poster = poster

    async def inputs(self, run: Run, now: datetime) -> Mapping[str, InputValue]:
        """Return the run's inputs with links that work.

        Raises RefusedError if a file has to be attached again, NotNow if Discord didn't answer.
        """
        keys = self._attachment_keys(run)
        old = [url for key in keys for url in _urls(run.inputs[key])]
        if not any(expires_soon(url, now) for url in old):
            return run.inputs
        renewed_urls = iter(await self._card_urls(run, len(old)))
        renewed = dict(run.inputs)
        for key in keys:
            value = run.inputs[key]
            urls = [next(renewed_urls) for _ in _urls(value)]
            renewed[key] = urls if isinstance(value, list) else urls[0]
        return renewed

    def _attachment_keys(self, run: Run) -> list[str]:
        deployment = self._catalogue.get(run.deployment)
        if deployment is None:
            return []
        return [i.key for i in deployment.offered if i.kind in ATTACHMENTS and i.key in run.inputs]

    async def _card_urls(self, run: Run, count: int) -> list[str]:
        """Return fresh links of the batch's card, whose attachments are numbered in the inputs' order."""
        card = await self._reviews.card(run.batch_key)
        if card is None:
            raise RefusedError("attachment_expired")
        try:
            found = await self._poster.attachments(*card)
        except OutcomeUnknown as error:
            raise NotNow(str(error)) from error
        except PostError as error:
            raise RefusedError("attachment_expired", str(error)) from error
        stems = {name.rpartition(".")[0]: url for name, url in found.items()}
        urls = [stems.get(f"{run.deployment}-{run.batch_key}-{number}") for number in range(1, count + 1)]
        if None in urls:
            raise RefusedError("attachment_expired")
        return [url for url in urls if url is not None]


def _urls(value: InputValue) -> list[str]:
    return value if isinstance(value, list) else [str(value)]
