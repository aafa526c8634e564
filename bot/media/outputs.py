"""Prepare outputs for upload: download, name and shrink them."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from bot.domain.backend import Backend
from bot.domain.errors import (
    BackendError,
    BackendNotFound,
    MediaError,
    MediaExpired,
    MediaForbidden,
    MediaTooLarge,
    MediaUnavailable,
    RefusedError,
)
from bot.domain.runs import Output, Run
from bot.domain.text import escape_line, file_stem, is_file, shorten, strip_invisible
from bot.media.download import Media, MediaFetcher, retryable
from bot.media.shrink import SECONDS, shrink
from bot.strings import say
from bot.ui.message_parts import CONTENT_TEXT, GALLERY, INLINE_TEXT, FileKind, PreparedFile, PreparedOutputs
from bot.ui.status import link_remark, output_name

log = logging.getLogger(__name__)
PICTURE_LIMIT = 64 * 1024 * 1024
MAX_FILES = 40
_ALT_TEXT = 500
# How long, in seconds, the outputs of one message may take to fetch.
MEDIA_SECONDS = 120.0
_DISK = "a temporary file"
_DOWNLOADS = 64
_DOWNLOADS_PER_SERVER = 4


# The files and sentences of an output: several if a picture was recompressed or its link is attached.
Prepared = list[PreparedFile | str]


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

        Larger pictures are shrunk if possible, and other larger files are linked; with a limit of 0, every
        file is. The runs of a batch share the folder, the space for texts, and the `deadline`, which is a
        time of the event loop.

        Raises MediaError or BackendError if a retry may help. On the `last_try`, and when the time has run
        out, a sentence stands in for each missing file instead.
        """
        target, clock = _Target(run, limit, folder, deadline, posted), asyncio.get_running_loop().time
        linked = [output for output in run.visible if output.url is not None]
        outputs = dict(enumerate(linked[:MAX_FILES], 1))
        found = await self._fetch(target, outputs)
        again = [n for n, each in found.items() if isinstance(each, MediaError if last_try else MediaExpired)]
        if again:
            outputs = await self._renewed(run, outputs, last_try or clock() >= deadline)
            found |= await self._fetch(target, {n: outputs[n] for n in again})
        items = {n: each for n, each in found.items() if not isinstance(each, MediaError)}
        failed = {n: each for n, each in found.items() if isinstance(each, MediaError)}
        out_of_time = clock() >= deadline
        for error in failed.values():
            if not (last_try or out_of_time):
                raise error
            log.warning("can't fetch an output: %s", error)
        # The file with a long link of what couldn't be fetched is no result.
        has_file = any(isinstance(each, PreparedFile) for item in items.values() for each in item)
        with retryable(_DISK):
            for n in failed:
                items[n] = self._linked(target, n, outputs[n], "media_unavailable")
            return _assembled(target, [items[n] for n in outputs], is_gone=bool(failed) and not has_file)

    async def prepare_copy(self, run: Run, folder: Path, deadline: float) -> PreparedOutputs:
        """Return the outputs for a copy of a result, with a sentence for each file that no longer exists.

        Raises RefusedError if no file or text is left, and MediaError or BackendError if a retry may help.
        """
        limit = run.upload_limit
        try:
            prepared = await self.prepare(run, limit, folder, last_try=False, deadline=deadline)
        except (MediaExpired, BackendNotFound) as error:
            # Even new links to the files don't work.
            prepared = await self.prepare(run, limit, folder, last_try=True, deadline=deadline)
            if prepared.is_gone:
                raise RefusedError("copy_file_gone", str(error)) from error
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
        fresh, renewed = [each for each in found if each.url is not None], dict(outputs)
        made = Counter((each.kind, each.filename) for each in fresh)
        made.subtract((each.kind, each.filename) for each in outputs.values())
        for number, old in outputs.items():
            same = [new for new in fresh if (new.kind, new.filename) == (old.kind, old.filename)]
            if made[old.kind, old.filename] > 0:  # others of this name may be held
                same = [new for new in same if _path(new) == _path(old)]
            if same:
                renewed[number] = same[0]
                fresh.remove(same[0])
        return renewed

    async def _fetch(
        self, target: _Target, outputs: Mapping[int, Output]
    ) -> dict[int, Prepared | MediaError]:
        """Return what became of each output, or the error because of which it couldn't be fetched."""
        # The group waits for all of them even if one fails, since their folder is deleted afterwards.
        async with asyncio.TaskGroup() as group:
            fetches = {n: group.create_task(self._file(target, n, each)) for n, each in outputs.items()}
        return {n: fetch.result() for n, fetch in fetches.items()}

    async def _file(self, target: _Target, number: int, output: Output) -> Prepared | MediaError:
        if any(is_file(name, target.run.key, number) for name in target.posted):
            return []
        try:
            with retryable(_DISK):
                if target.limit > 0:
                    with suppress(MediaTooLarge):
                        return await self._attached(target, number, output)
                return self._linked(target, number, output, "media_too_large")
        except MediaForbidden as error:
            log.warning("refused to fetch an output from a forbidden address: %s", error)
            return [say("media_forbidden", name=output_name(output, number))]
        except MediaError as error:
            return error

    async def _attached(self, target: _Target, number: int, output: Output) -> Prepared:
        """Fetch an output when a slot is free. Raises MediaError, also when the time has run out."""
        run, path = target.run, target.folder / f"{target.run.key}-{number}"
        # A picture above the upload limit is fetched anyway, because it can be recompressed.
        is_picture = (mimetypes.guess_type(output.filename or "")[0] or "").startswith("image/")
        ceiling, url = max(PICTURE_LIMIT if is_picture else 0, target.limit), output.url or ""
        media: Media | None = None
        try:
            async with asyncio.timeout_at(target.deadline):
                media = await self.fetch(url, path, ceiling, server=run.server, filename=output.filename)
                if media.size <= target.limit:
                    return [_prepared(run, number, path, f".{media.suffix}", media.content_type)]
                if await self._shrink(target, path):
                    told = say("media_recompressed", name=output_name(output, number))
                    return [_prepared(run, number, path, ".webp", "image/webp"), told]
        except TimeoutError:
            if media is None:
                raise MediaUnavailable(f"{output.filename}: no time is left") from None
        raise MediaTooLarge(output.filename or "")

    async def fetch(
        self, url: str, path: Path, limit: int, *, server: int, filename: str | None = None
    ) -> Media:
        """Fetch a file of at most `limit` bytes when a slot is free. Raises MediaError."""
        of_server = self._slots_of.setdefault(server, asyncio.Semaphore(_DOWNLOADS_PER_SERVER))
        # In this order, a server whose downloads are slow doesn't block the others.
        async with of_server, self._slots:
            with path.open("wb") as file:
                return await self._fetcher.fetch(url, limit_bytes=limit, into=file, filename=filename)

    def _linked(self, target: _Target, number: int, output: Output, code: str) -> Prepared:
        """Return the sentence with the link. If no message could hold it, put the link into a text file."""
        sentence = link_remark(code, output, number, self._fetcher.may_link)
        if len(sentence) <= CONTENT_TEXT:
            return [sentence]
        path = target.folder / f"{target.run.key}-{number}-link"
        path.write_text(output.url or "", encoding="utf-8")
        file = _prepared(target.run, number, path, ".txt", "")
        told = {"name": output_name(output, number), "file": escape_line(file.filename, 100)}
        return [file, say("media_link_attached", **told)]

    async def _shrink(self, target: _Target, path: Path) -> bool:
        """Shrink a picture in place. Return False if it can't be made to fit, or not in the time left.

        One thread shrinks all pictures, so no server has more than one in its queue.
        """
        loop = asyncio.get_running_loop()

        def work() -> bool:
            data = shrink(path.read_bytes(), target.limit, min(target.deadline - loop.time(), SECONDS))
            if data is not None:
                path.write_bytes(data)
            return data is not None

        async with self._shrinking_of.setdefault(target.run.server, asyncio.Lock()):
            return await loop.run_in_executor(self._shrinking, work)


def _path(output: Output) -> str:
    return (output.url or "").partition("?")[0]


def _assembled(target: _Target, found: Sequence[Prepared], *, is_gone: bool) -> PreparedOutputs:
    """Return the files and sentences with the run's texts. Too long ones are put into one file."""
    run, items = target.run, [item for each in found for item in each]
    files = [item for item in items if isinstance(item, PreparedFile)]
    remarks = [item for item in items if isinstance(item, str)]
    if (more := sum(output.url is not None for output in run.visible) - MAX_FILES) > 0:
        remarks.append(say("media_more", count=more))
    texts = [output.text for output in run.visible if output.text is not None]
    inline, stem = inline_texts(run, texts), file_stem(run.deployment, run.key)
    has_text = bool(inline)
    if inline is None and not any(f"{stem}." in name for name in target.posted):
        path = target.folder / f"{run.key}-text"
        path.write_text("\n\n".join(texts), encoding="utf-8")
        files.append(PreparedFile(path, f"{stem}.txt", FileKind.OTHER, size=path.stat().st_size))
        has_text = True
    return PreparedOutputs(tuple(files), inline or (), tuple(remarks), is_gone and not has_text)


def _prepared(run: Run, number: int, path: Path, extension: str, content_type: str) -> PreparedFile:
    """Return a file to upload. The run key in its name lets a search find the message again."""
    kind = FileKind.of(content_type)
    prefix = "SPOILER_" if run.spoiler and kind not in GALLERY else ""
    filename = f"{prefix}{file_stem(run.deployment, run.key, number)}{extension}"
    alt = shorten(strip_invisible(run.prompt), _ALT_TEXT) if kind is FileKind.IMAGE and run.prompt else None
    return PreparedFile(path, filename, kind, alt, path.stat().st_size, content_type)


def inline_texts(run: Run, texts: Sequence[str]) -> tuple[str, ...] | None:
    """Return the texts to show in the message itself, or None if they are too long for it."""
    if sum(map(len, texts)) > INLINE_TEXT // run.count:
        return None
    return tuple(text for text in texts if text.strip())
