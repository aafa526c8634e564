"""Prepare outputs for upload: download, name and shrink them."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from bot.delivery.download import Media, MediaFetcher
from bot.delivery.shrink import shrink_image
from bot.delivery.temporary_files import disk_errors
from bot.domain.errors import (
    BackendError,
    MediaError,
    MediaExpired,
    MediaForbidden,
    MediaTooLarge,
    MediaUnavailable,
)
from bot.domain.runs import Output, Run
from bot.domain.text import escape_line, shorten, strip_invisible
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
    """Wait for all fetches even if one fails, since their folder is deleted afterwards."""
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
