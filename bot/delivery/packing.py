"""Outputs -> what can be uploaded to a place: fetched, named, made to fit; sentences about the rest."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from bot.delivery.room import writing
from bot.domain.errors import (
    ComfyError,
    MediaError,
    MediaExpired,
    MediaForbidden,
    MediaTooLarge,
    MediaUnavailable,
)
from bot.domain.runs import Output, Run
from bot.domain.text import quoted, shorten, visible
from bot.media.fetch import Media, MediaFetcher
from bot.media.shrink import shrink_image
from bot.messages.parts import GALLERY, FileKind, Prepared, PreparedFile
from bot.strings import say

log = logging.getLogger(__name__)

# A picture above the upload limit is fetched all the same, since it can be recompressed.
PICTURE_LIMIT = 64 * 1024 * 1024
MAX_FILES = 40
_INLINE_TEXT = 1500
_ALT_TEXT = 500
_AT_ONCE = 4

Renew = Callable[[Run], Awaitable[Sequence[Output]]]
Packed = PreparedFile | str


class Packer:
    """Fetches a run's outputs into a folder. `renew` asks ComfyDeploy for links that have not run out."""

    def __init__(self, fetcher: MediaFetcher, renew: Renew) -> None:
        self._fetcher = fetcher
        self._renew = renew
        # Decoded, a picture may take hundreds of megabytes: one at a time, of all that are on their way.
        self._shrinking = asyncio.Lock()

    async def pack(self, run: Run, limit: int, folder: Path, *, last_try: bool) -> Prepared:
        """What can be shown with an upload limit of `limit` bytes a file; 0 links to everything.

        Several runs of one request share the folder, and the room for texts.

        Raises MediaUnavailable when another try may help; on the `last_try` a sentence stands for the file.
        """
        try:
            return await self._pack(run, run.outputs, limit, folder, last_try=False)
        except MediaExpired:
            log.info("the links have run out, asking for new ones")
        except MediaUnavailable:
            if not last_try:
                raise
        return await self._pack(run, await self._fresh(run, last_try), limit, folder, last_try=last_try)

    async def _fresh(self, run: Run, last_try: bool) -> Sequence[Output]:
        try:
            return await self._renew(run)
        except ComfyError as error:
            if not last_try:
                raise
            log.warning("no fresh links: %s", error)
            return run.outputs

    async def _pack(
        self, run: Run, outputs: Sequence[Output], limit: int, folder: Path, *, last_try: bool
    ) -> Prepared:
        files = [output for output in outputs if output.url is not None]
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int, output: Output) -> list[Packed]:
            async with slots:
                return await self._file(run, number, output, limit, folder, last_try=last_try)

        shown = files[:MAX_FILES]
        packed = await _all(one(number, output) for number, output in enumerate(shown, 1))
        with writing():
            texts, text_files = _texts(run, [o.text for o in outputs if o.text is not None], folder)
        everything = [item for items in packed for item in items]
        notes = [item for item in everything if isinstance(item, str)]
        if len(files) > MAX_FILES:
            notes.append(say("media_more", count=len(files) - MAX_FILES))
        return Prepared(
            files=(*(item for item in everything if isinstance(item, PreparedFile)), *text_files),
            texts=texts,
            notes=tuple(notes),
        )

    async def _file(
        self, run: Run, number: int, output: Output, limit: int, folder: Path, *, last_try: bool
    ) -> list[Packed]:
        url = output.url or ""
        name = quoted(output.filename or f"file {number}", 80)
        is_picture = (mimetypes.guess_type(output.filename or "")[0] or "").startswith("image/")
        path = folder / f"{run.key}-{number}"
        if limit == 0:
            return [say("media_too_large", name=name, url=url)]
        ceiling = max(PICTURE_LIMIT, limit) if is_picture else limit
        try:
            with writing():
                with path.open("w+b") as file:
                    media = await self._fetcher.fetch(
                        url, limit_bytes=ceiling, into=file, filename=output.filename
                    )
                return await self._fitted(run, number, media, path, limit)
        except MediaForbidden as error:
            log.warning("an output that is not opened: %s", error)
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
            log.warning("an output that can't be fetched: %s", error)
            return [say("media_unavailable", name=name, url=url)]

    async def _fitted(self, run: Run, number: int, media: Media, path: Path, limit: int) -> list[Packed]:
        kind = kind_of(media.content_type)
        if media.size <= limit:
            return [_prepared(run, number, path, Path(media.filename).suffix, kind)]
        suffix = await self._shrink(path, limit) if kind is FileKind.IMAGE else None
        if suffix is None:
            raise MediaTooLarge(media.filename)
        return [
            _prepared(run, number, path, suffix, kind),
            say("media_recompressed", name=quoted(media.filename, 80)),
        ]

    async def _shrink(self, path: Path, limit: int) -> str | None:
        """The picture's new ending; None where it can't be made to fit."""
        async with self._shrinking:
            small = await shrink_image(await asyncio.to_thread(path.read_bytes), limit)
            if small is None:
                return None
            data, extension = small
            await asyncio.to_thread(path.write_bytes, data)
            return f".{extension}"


async def _all(fetches: Iterable[Awaitable[list[Packed]]]) -> list[list[Packed]]:
    """All of them ended, also when one failed: the folder they write to goes away afterwards."""
    results = await asyncio.gather(*fetches, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _prepared(run: Run, number: int, path: Path, extension: str, kind: FileKind) -> PreparedFile:
    """The run key in the name lets the courier find its own message again."""
    prefix = "SPOILER_" if run.spoiler and kind not in GALLERY else ""
    alt = shorten(visible(run.prompt), _ALT_TEXT) if run.prompt and kind is FileKind.IMAGE else None
    return PreparedFile(path, f"{prefix}{file_stem(run, number)}{extension}", kind, alt)


def file_stem(run: Run, number: int) -> str:
    """The name of an output's file, without its ending."""
    return f"{run.deployment}-{run.key}-{number}"


def _texts(run: Run, texts: Sequence[str], folder: Path) -> tuple[tuple[str, ...], tuple[PreparedFile, ...]]:
    """Short texts stay text; if together they are long, all of them become one file."""
    if (inline := inline_texts(run, texts)) is not None:
        return inline, ()
    path = folder / f"{run.key}-text"
    path.write_text("\n\n".join(texts), encoding="utf-8")
    return (), (PreparedFile(path, f"{run.deployment}-{run.key}.txt", FileKind.OTHER),)


def inline_texts(run: Run, texts: Sequence[str]) -> tuple[str, ...] | None:
    """The texts that stand in the message itself; None where they are too long for it."""
    if sum(map(len, texts)) > _INLINE_TEXT // run.batch_size:
        return None
    return tuple(text for text in texts if text.strip())


def kind_of(content_type: str) -> FileKind:
    if content_type in ("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"):
        return FileKind.IMAGE
    if content_type in ("video/mp4", "video/webm", "video/quicktime"):
        return FileKind.VIDEO
    return FileKind.AUDIO if content_type.startswith("audio/") else FileKind.OTHER
