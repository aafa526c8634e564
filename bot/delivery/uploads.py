"""Outputs -> what can be uploaded to a place: fetched, named, made to fit; sentences about the rest."""

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
# A picture above the upload limit is fetched all the same, since it can be recompressed.
PICTURE_LIMIT = 64 * 1024 * 1024
MAX_FILES = 40
_INLINE_TEXT = 1500
_ALT_TEXT = 500
_AT_ONCE = 4
Renew = Callable[[Run], Awaitable[Sequence[Output]]]
Packed = PreparedFile | str


class OutputPreparer:
    """Fetches a run's outputs into a folder. `renew` asks ComfyDeploy for links that have not run out."""

    def __init__(self, fetcher: MediaFetcher, renew: Renew) -> None:
        self._fetcher = fetcher
        self._renew = renew
        # Decoded, a picture may take hundreds of megabytes: one at a time, of all that are on their way.
        self._shrinking = asyncio.Lock()

    async def pack(self, run: Run, limit: int, folder: Path, *, last_try: bool) -> PreparedOutputs:
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
        except BackendError as error:
            if not last_try:
                raise
            log.warning("no fresh links: %s", error)
            return run.outputs

    async def _pack(
        self, run: Run, outputs: Sequence[Output], limit: int, folder: Path, *, last_try: bool
    ) -> PreparedOutputs:
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
        return PreparedOutputs(
            files=(*(item for item in everything if isinstance(item, PreparedFile)), *text_files),
            texts=texts,
            notes=tuple(notes),
        )

    async def _file(
        self, run: Run, number: int, output: Output, limit: int, folder: Path, *, last_try: bool
    ) -> list[Packed]:
        url = output.url or ""
        name = escape_line(output.filename or f"file {number}", 80)
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
            say("media_recompressed", name=escape_line(media.filename, 80)),
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
    alt = shorten(strip_invisible(run.prompt), _ALT_TEXT) if run.prompt and kind is FileKind.IMAGE else None
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


def check_room() -> None:
    """Raises StartupError where no folder can be written, as on a read-only system without a /tmp."""
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        raise StartupError(
            f"No folder for temporary files can be written ({error.strerror}), and results pass through one. "
            "Let the bot write to /tmp (in a container: --tmpfs /tmp), or name another in TMPDIR."
        ) from error


def folder() -> AbstractContextManager[str]:
    """For one delivery. Without room for any, an outcome without files can still be told."""
    try:
        return tempfile.TemporaryDirectory(prefix="outputs-", ignore_cleanup_errors=True)
    except OSError as error:
        log.error("there is no folder for outputs: %s", error)  # noqa: TRY400
        return nullcontext(os.devnull)


@contextmanager
def writing() -> Iterator[None]:
    """What can't be put down now (the disk is full) may be later. Raises MediaUnavailable."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MediaUnavailable(f"it can't be put into a temporary file: {reason}") from error


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
        place = await self._reviews.card(run.batch_key)
        if place is None:
            raise RefusedError("attachment_expired")
        try:
            found = await self._poster.attachments(*place)
        except OutcomeUnknown as error:
            raise NotNow(str(error)) from error
        except PostError as error:
            raise RefusedError("attachment_expired", str(error)) from error
        stems = {name.rpartition(".")[0]: url for name, url in found.items()}
        copies = [stems.get(f"{run.deployment}-{run.batch_key}-{number}") for number in range(1, many + 1)]
        if None in copies:
            raise RefusedError("attachment_expired")
        return [url for url in copies if url is not None]


def _urls(value: InputValue) -> list[str]:
    return value if isinstance(value, list) else [str(value)]
