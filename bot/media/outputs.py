"""Prepare outputs for upload: download, name and shrink them."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

from bot.domain.backend import Backend
from bot.domain.errors import (
    BackendError,
    BackendNotFound,
    MediaError,
    MediaExpired,
    MediaForbidden,
    MediaGone,
    MediaTooLarge,
    MediaUnavailable,
)
from bot.domain.runs import Output, Run
from bot.domain.text import escape_line, shorten, strip_invisible
from bot.domain.text.file_names import file_stem
from bot.media.download import Media, MediaFetcher, disk_errors
from bot.media.file_types import pixels_of
from bot.media.shrink import SECONDS, shrink
from bot.strings import say
from bot.ui.message_parts import CONTENT_TEXT, GALLERY, FileKind, PreparedFile, PreparedOutputs

log = logging.getLogger(__name__)
# A picture above the upload limit is fetched anyway, because it can be recompressed.
PICTURE_LIMIT = 64 * 1024 * 1024
MAX_FILES = 40
_INLINE_TEXT = 1500
_ALT_TEXT = 500
_HEAD = 64 * 1024  # a JPEG's metadata may come before its size
# How long, in seconds, the outputs of one message may take to fetch.
MEDIA_SECONDS = 120.0
_DOWNLOADS = 64
_DOWNLOADS_PER_SERVER = 4


# The files and sentences of an output: several if a picture was recompressed or its link is attached.
Prepared = list[PreparedFile | str]
# The result of fetching an output.
Fetched = Prepared | MediaError


@dataclass(frozen=True, slots=True)
class _Target:
    """The destination of a run's outputs: the folder, the upload limit per file, and the deadline.

    `posted` are the names of files that a message shows already.
    """

    run: Run
    limit: int
    folder: Path
    deadline: float
    posted: Collection[str]

    @property
    def left(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()

    def has(self, stem: str) -> bool:
        """Return whether a message shows the file with this name, whatever its suffix is."""
        return any(f"{stem}." in name for name in self.posted)


class OutputPreparer:
    """Fetches a run's outputs into a folder, and shrinks large pictures.

    One thread does that, because a decoded picture may take hundreds of megabytes: the next one waits even if
    nobody waits for this one any more.
    """

    def __init__(self, fetcher: MediaFetcher, backend: Backend, shrinking: Executor) -> None:
        self._fetcher = fetcher
        self._backend = backend
        self._shrinking = shrinking
        self._slots = asyncio.Semaphore(_DOWNLOADS)
        self._slots_of: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()
        self._shrinking_of: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def may_link(self, url: str) -> bool:
        """Return whether a message may link to `url`. Addresses that may not be opened aren't shown, because
        they may contain a password or reveal the operator's network.
        """
        try:
            self._fetcher.check(url)
        except MediaForbidden:
            return False
        return True

    async def prepare(
        self,
        run: Run,
        limit: int,
        folder: Path,
        *,
        last_try: bool,
        deadline: float,
        posted: Collection[str] = (),
    ) -> PreparedOutputs:
        """Return a run's outputs for an upload limit of `limit` bytes per file, except those `posted`.

        Larger pictures are shrunk if possible, and other larger files are linked. With a limit of 0, every
        file is linked. The runs of a batch share the folder, the space for texts, and the `deadline`, which
        is a time of the event loop.

        Raises MediaError or BackendError if a retry may help. On the `last_try`, and when the time has run
        out, a sentence stands in for each missing file instead.
        """
        target = _Target(run, limit, folder, deadline, posted)
        outputs = dict(enumerate(_shown(run.outputs), 1))
        fetched = await self._fetch(target, outputs)
        again = [number for number, error in _errors(fetched) if last_try or isinstance(error, MediaExpired)]
        if again:
            outputs = await self._renewed(run, outputs, last_try or target.left <= 0)
            fetched |= await self._fetch(target, {number: outputs[number] for number in again})
        out_of_time = target.left <= 0
        for _, error in _errors(fetched):
            if not (last_try or out_of_time):
                raise error
            log.warning("can't fetch an output: %s", error)
        return _assembled(target, outputs, fetched)

    async def prepare_copy(self, run: Run, limit: int, folder: Path, deadline: float) -> PreparedOutputs:
        """Return the outputs for a copy of a result, with a sentence for each file that no longer exists.

        Raises MediaGone if no file or text is left, and MediaUnavailable or BackendError if a retry may help.
        """
        try:
            prepared = await self.prepare(run, limit, folder, last_try=False, deadline=deadline)
        except (MediaExpired, BackendNotFound) as error:
            prepared = await self.prepare(run, limit, folder, last_try=True, deadline=deadline)
            if prepared.is_gone:
                raise MediaGone(str(error)) from error
        if prepared.is_gone:
            raise MediaUnavailable("the files could not be fetched in time")
        return prepared

    async def _renewed(self, run: Run, outputs: Mapping[int, Output], last_try: bool) -> dict[int, Output]:
        """Return the outputs with links that have not expired, as far as the backend knows them."""
        log.info("asking ComfyDeploy for new links to the outputs")
        found: Sequence[Output] = ()
        try:
            found = (await self._backend.get_run(run.run_id)).outputs if run.run_id else ()
        except BackendError as error:
            if not last_try:
                raise
            log.warning("can't renew the links: %s", error)
        renewed = dict(outputs)
        for new in _shown(found):
            same = (
                number
                for number, old in outputs.items()
                if renewed[number] is old and (old.kind, old.filename) == (new.kind, new.filename)
            )
            if (number := next(same, None)) is not None:
                renewed[number] = new
        return renewed

    async def _fetch(self, target: _Target, outputs: Mapping[int, Output]) -> dict[int, Fetched]:
        # The group waits for all of them even if one fails, since their folder is deleted afterwards.
        async with asyncio.TaskGroup() as group:
            fetches = {
                number: group.create_task(self._file(target, number, output))
                for number, output in outputs.items()
            }
        return {number: fetch.result() for number, fetch in fetches.items()}

    async def _file(self, target: _Target, number: int, output: Output) -> Fetched:
        if target.has(file_stem(target.run.deployment, target.run.key, number)):
            return []
        try:
            self._fetcher.check(output.url or "")
            if target.limit == 0:
                return _linked(target, number, output, "media_too_large")
            with disk_errors():
                return await self._attached(target, number, output)
        except MediaForbidden as error:
            log.warning("refused to fetch an output from a forbidden address: %s", error)
            return [say("media_forbidden", name=_name(output, number))]
        except MediaTooLarge:
            return _linked(target, number, output, "media_too_large")
        except MediaError as error:
            return error

    async def _attached(self, target: _Target, number: int, output: Output) -> Prepared:
        """Fetch an output when a slot is free. Raises MediaError, also when the time has run out."""
        run, path = target.run, target.folder / f"{target.run.key}-{number}"
        of_server = self._slots_of.setdefault(run.server, asyncio.Semaphore(_DOWNLOADS_PER_SERVER))
        media: Media | None = None
        try:
            async with asyncio.timeout_at(target.deadline):
                # In this order, a server whose downloads are slow doesn't block the others.
                async with of_server, self._slots:
                    media = await self._download(target, output, path)
                kind = kind_of(media.content_type)
                if media.size <= target.limit:
                    return [_prepared(run, number, path, Path(media.filename).suffix, kind)]
                if kind is FileKind.IMAGE and await self._shrink(target, path):
                    told = say("media_recompressed", name=escape_line(media.filename, 80))
                    return [_prepared(run, number, path, ".webp", kind), told]
        except TimeoutError:
            if media is None:
                raise MediaUnavailable(f"{output.filename}: no time is left") from None
        raise MediaTooLarge(output.filename or "")

    async def _download(self, target: _Target, output: Output, path: Path) -> Media:
        is_picture = (mimetypes.guess_type(output.filename or "")[0] or "").startswith("image/")
        ceiling = max(PICTURE_LIMIT, target.limit) if is_picture else target.limit
        with path.open("wb") as file:
            return await self._fetcher.fetch(
                output.url or "", limit_bytes=ceiling, into=file, filename=output.filename
            )

    async def _shrink(self, target: _Target, path: Path) -> bool:
        """Shrink a picture in place. Return False if it can't be made to fit, or not in the time left.

        One thread shrinks all pictures, so no server has more than one in its queue.
        """
        loop = asyncio.get_running_loop()
        work = partial(_shrunk, path, target.limit, lambda: target.deadline - loop.time())
        async with self._shrinking_of.setdefault(target.run.server, asyncio.Lock()):
            return await loop.run_in_executor(self._shrinking, work)


def _shrunk(path: Path, limit: int, left: Callable[[], float]) -> bool:
    """Shrink a picture in place, in the time that is `left` by then. Return whether that worked."""
    data = shrink(path.read_bytes(), limit, min(left(), SECONDS))
    if data is not None:
        path.write_bytes(data)
    return data is not None


def _errors(fetched: Mapping[int, Fetched]) -> list[tuple[int, MediaError]]:
    return [(number, each) for number, each in fetched.items() if isinstance(each, MediaError)]


def _shown(outputs: Sequence[Output]) -> list[Output]:
    return [output for output in outputs if output.url is not None][:MAX_FILES]


def _name(output: Output, number: int) -> str:
    return escape_line(output.filename or f"file {number}", 80)


def _assembled(
    target: _Target, outputs: Mapping[int, Output], fetched: Mapping[int, Fetched]
) -> PreparedOutputs:
    items: Prepared = []
    with disk_errors():
        for number, each in fetched.items():
            if isinstance(each, MediaError):
                items += _linked(target, number, outputs[number], "media_unavailable")
            else:
                items += each
        texts, text_files = _texts(
            target, [output.text for output in target.run.outputs if output.text is not None]
        )
    remarks = [item for item in items if isinstance(item, str)]
    files = [item for item in items if isinstance(item, PreparedFile)]
    more = sum(output.url is not None for output in target.run.outputs) - MAX_FILES
    if more > 0:
        remarks.append(say("media_more", count=more))
    # The file with a long link of what couldn't be fetched is no result.
    fetched_files = [each for each in fetched.values() if not isinstance(each, MediaError)]
    has_file = any(isinstance(item, PreparedFile) for each in fetched_files for item in each)
    is_gone = bool(_errors(fetched)) and not (texts or text_files or has_file)
    return PreparedOutputs((*files, *text_files), texts, tuple(remarks), is_gone=is_gone)


def _linked(target: _Target, number: int, output: Output, code: str) -> Prepared:
    """Return the sentence with the link. If no message could hold it, put the link into a text file."""
    name, url = _name(output, number), output.url or ""
    sentence = say(code, name=name, url=url)
    if len(sentence) <= CONTENT_TEXT:
        return [sentence]
    path = target.folder / f"{target.run.key}-{number}-link"
    with disk_errors():
        path.write_text(url, encoding="utf-8")
    file = _prepared(target.run, number, path, ".txt", FileKind.OTHER)
    return [file, say("media_link_attached", name=name, file=escape_line(file.filename, 100))]


def _prepared(run: Run, number: int, path: Path, extension: str, kind: FileKind) -> PreparedFile:
    """Return a file to upload, with the size of a picture as far as its first bytes tell it.

    The run key in its name lets a search find the message again.
    """
    prefix = "SPOILER_" if run.spoiler and kind not in GALLERY else ""
    alt = shorten(strip_invisible(run.prompt), _ALT_TEXT) if run.prompt and kind is FileKind.IMAGE else None
    filename = f"{prefix}{file_stem(run.deployment, run.key, number)}{extension}"
    pixels = None
    if kind is FileKind.IMAGE:
        with path.open("rb") as file:
            pixels = pixels_of(file.read(_HEAD))
    return PreparedFile(path, filename, kind, alt, path.stat().st_size, pixels=pixels)


def _texts(target: _Target, texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[PreparedFile, ...]]:
    """Return the texts to show in the message, and the files to attach.

    Texts that are too long for the message are put into one file.
    """
    run, stem = target.run, file_stem(target.run.deployment, target.run.key)
    if (inline := inline_texts(run, texts)) is not None:
        return inline, ()
    if target.has(stem):
        return (), ()
    path = target.folder / f"{run.key}-text"
    path.write_text("\n\n".join(texts), encoding="utf-8")
    filename = f"{stem}.txt"
    return (), (PreparedFile(path, filename, FileKind.OTHER, size=path.stat().st_size),)


def inline_texts(run: Run, texts: Sequence[str]) -> tuple[str, ...] | None:
    """Return the texts to show in the message itself, or None if they are too long for it."""
    if sum(map(len, texts)) > _INLINE_TEXT // run.count:
        return None
    return tuple(text for text in texts if text.strip())


def kind_of(content_type: str) -> FileKind:
    if content_type in ("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"):
        return FileKind.IMAGE
    if content_type in ("video/mp4", "video/webm", "video/quicktime"):
        return FileKind.VIDEO
    return FileKind.AUDIO if content_type.startswith("audio/") else FileKind.OTHER
