"""Prepare outputs for upload: download, name and shrink them."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
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


@dataclass(frozen=True, slots=True)
class _Linked:
    """A sentence, given by its code, that links an output in place of its file."""

    code: str
    name: str
    url: str


# A file, a sentence that links it, or one about a file that is missing or was recompressed.
PreparedItem = PreparedFile | _Linked | str
# The result of fetching an output.
Fetched = list[PreparedItem] | MediaError


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
        outputs, fetched = await self._fetch_renewed(target, last_try)
        out_of_time = target.left <= 0
        for error in _errors(fetched):
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

    async def _fetch_renewed(
        self, target: _Target, last_try: bool
    ) -> tuple[Sequence[Output], Sequence[Fetched]]:
        """Fetch the outputs. Return them, perhaps with new links, and the result for each file.

        If a link has expired, or if a download failed on the last try, the links are renewed and the missing
        files are fetched once more.
        """
        outputs = target.run.outputs
        fetched = await self._fetch(target, outputs, {})
        errors = list(_errors(fetched))
        if not any(isinstance(error, MediaExpired) for error in errors) and not (errors and last_try):
            return outputs, fetched
        log.info("asking ComfyDeploy for new links to the outputs")
        renewed = _with_links(outputs, await self._renewed(target.run, last_try or target.left <= 0))
        return renewed, await self._fetch(target, renewed, _kept(outputs, renewed, fetched))

    async def _renewed(self, run: Run, last_try: bool) -> Sequence[Output]:
        """Ask the backend for links that have not expired."""
        try:
            return (await self._backend.get_run(run.run_id)).outputs if run.run_id else run.outputs
        except BackendError as error:
            if not last_try:
                raise
            log.warning("can't renew the links: %s", error)
            return run.outputs

    async def _fetch(
        self, target: _Target, outputs: Sequence[Output], kept: Mapping[int, Fetched]
    ) -> Sequence[Fetched]:
        async def one(number: int, output: Output) -> Fetched:
            if target.has(file_stem(target.run.deployment, target.run.key, number)):
                return []
            return kept[number] if number in kept else await self._file(target, number, output)

        # The group waits for all of them even if one fails, since their folder is deleted afterwards.
        async with asyncio.TaskGroup() as group:
            fetches = [
                group.create_task(one(number, output)) for number, output in enumerate(_shown(outputs), 1)
            ]
        return [fetch.result() for fetch in fetches]

    async def _file(self, target: _Target, number: int, output: Output) -> Fetched:
        url = output.url or ""
        name = _name(output, number)
        path = target.folder / f"{target.run.key}-{number}"
        try:
            self._fetcher.check(url)
            if target.limit == 0:
                return [_Linked("media_too_large", name, url)]
            media = await self._download(target, output, path)
            with disk_errors():
                return await self._fitted(target, number, media, path)
        except MediaForbidden as error:
            log.warning("refused to fetch an output from a forbidden address: %s", error)
            return [say("media_forbidden", name=name)]
        except MediaTooLarge:
            return [_Linked("media_too_large", name, url)]
        except MediaError as error:
            return error

    async def _download(self, target: _Target, output: Output, path: Path) -> Media:
        """Fetch an output when a slot is free. Raises MediaError, also when the time has run out."""
        url = output.url or ""
        is_picture = (mimetypes.guess_type(output.filename or "")[0] or "").startswith("image/")
        ceiling = max(PICTURE_LIMIT, target.limit) if is_picture else target.limit
        of_server = self._slots_of.setdefault(target.run.server, asyncio.Semaphore(_DOWNLOADS_PER_SERVER))
        try:
            # In this order, a server whose downloads are slow doesn't block the others.
            async with asyncio.timeout_at(target.deadline), of_server, self._slots:
                with disk_errors(), path.open("wb") as file:
                    return await self._fetcher.fetch(
                        url, limit_bytes=ceiling, into=file, filename=output.filename
                    )
        except TimeoutError:
            raise MediaUnavailable(f"{output.filename}: no time is left") from None

    async def _fitted(self, target: _Target, number: int, media: Media, path: Path) -> list[PreparedItem]:
        run, kind = target.run, kind_of(media.content_type)
        if media.size <= target.limit:
            return [_prepared(run, number, path, Path(media.filename).suffix, kind)]
        suffix = await self._shrink(target, path) if kind is FileKind.IMAGE else None
        if suffix is None:
            raise MediaTooLarge(media.filename)
        return [
            _prepared(run, number, path, suffix, kind),
            say("media_recompressed", name=escape_line(media.filename, 80)),
        ]

    async def _shrink(self, target: _Target, path: Path) -> str | None:
        """Shrink a picture in place and return its new suffix.

        Returns None if it can't be made to fit, or not in the time that is left.
        """
        # A server has at most one picture in the queue, so that it doesn't delay the others.
        of_server = self._shrinking_of.setdefault(target.run.server, asyncio.Lock())
        with suppress(TimeoutError):
            async with asyncio.timeout_at(target.deadline), of_server:
                loop = asyncio.get_running_loop()
                work = partial(_shrunk, path, target.limit, lambda: target.deadline - loop.time())
                return ".webp" if await loop.run_in_executor(self._shrinking, work) else None
        return None


def _shrunk(path: Path, limit: int, left: Callable[[], float]) -> bool:
    """Shrink a picture in place, in the time that is `left` by then. Return whether that worked."""
    data = shrink(path.read_bytes(), limit, min(left(), SECONDS))
    if data is not None:
        path.write_bytes(data)
    return data is not None


def _errors(fetched: Iterable[Fetched]) -> Iterator[MediaError]:
    return (each for each in fetched if isinstance(each, MediaError))


def _shown(outputs: Sequence[Output]) -> list[Output]:
    return [output for output in outputs if output.url is not None][:MAX_FILES]


def _name(output: Output, number: int) -> str:
    return escape_line(output.filename or f"file {number}", 80)


def _with_links(outputs: Sequence[Output], renewed: Sequence[Output]) -> Sequence[Output]:
    """Return the outputs with the links that were renewed.

    An answer with fewer outputs than are known is incomplete, so it only replaces outputs of the same name.
    """
    if len(renewed) >= len(outputs):
        return renewed
    links: dict[tuple[str, str | None], list[Output]] = {}
    for output in renewed:
        links.setdefault((output.kind, output.filename), []).append(output)

    def current(output: Output) -> Output:
        same = links.get((output.kind, output.filename)) if output.url is not None else None
        return same.pop(0) if same else output

    return [current(output) for output in outputs]


def _kept(
    before: Sequence[Output], renewed: Sequence[Output], fetched: Sequence[Fetched]
) -> dict[int, Fetched]:
    """Return the files that needn't be fetched again, each with its remarks, by the number of the output.

    A sentence without a file isn't kept, because it may contain an expired link.
    """
    pairs = zip(_shown(before), _shown(renewed), fetched, strict=False)
    return {
        number: each
        for number, (old, new, each) in enumerate(pairs, 1)
        if old.filename == new.filename and _has_file(each)
    }


def _assembled(target: _Target, outputs: Sequence[Output], fetched: Sequence[Fetched]) -> PreparedOutputs:
    items: list[PreparedFile | str] = []
    with disk_errors():
        for number, (output, each) in enumerate(zip(_shown(outputs), fetched, strict=True), 1):
            missing = _Linked("media_unavailable", _name(output, number), output.url or "")
            for item in [missing] if isinstance(each, MediaError) else each:
                items += _linked(target, number, item) if isinstance(item, _Linked) else [item]
        texts, text_files = _texts(target, [output.text for output in outputs if output.text is not None])
    remarks = [item for item in items if isinstance(item, str)]
    more = sum(output.url is not None for output in outputs) - MAX_FILES
    if more > 0:
        remarks.append(say("media_more", count=more))
    return PreparedOutputs(
        files=(*(item for item in items if isinstance(item, PreparedFile)), *text_files),
        texts=texts,
        remarks=tuple(remarks),
        is_gone=any(_errors(fetched)) and not texts and not text_files and not any(map(_has_file, fetched)),
    )


def _has_file(fetched: Fetched) -> bool:
    return isinstance(fetched, list) and any(isinstance(item, PreparedFile) for item in fetched)


def _linked(target: _Target, number: int, linked: _Linked) -> list[PreparedFile | str]:
    """Return the sentence with the link. If no message could hold it, put the link into a text file."""
    sentence = say(linked.code, name=linked.name, url=linked.url)
    if len(sentence) <= CONTENT_TEXT:
        return [sentence]
    path = target.folder / f"{target.run.key}-{number}-link"
    path.write_text(linked.url, encoding="utf-8")
    file = _prepared(target.run, number, path, ".txt", FileKind.OTHER)
    return [file, say("media_link_attached", name=linked.name, file=escape_line(file.filename, 100))]


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
