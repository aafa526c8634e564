"""Prepare outputs for upload: download, name and shrink them."""

from __future__ import annotations

import asyncio
import io
import logging
import mimetypes
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import IO
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
from bot.domain.files import GALLERY, INLINE_TEXT, FileKind, PreparedFile, PreparedOutputs
from bot.domain.runs import Output, Run
from bot.domain.text import file_stem, is_file, shorten, strip_invisible
from bot.media.download import Media, MediaFetcher
from bot.media.shrink import SECONDS, shrink
from bot.sentences import link_remark, output_name, say

log = logging.getLogger(__name__)
PICTURE_LIMIT = 64 * 1024 * 1024
MAX_FILES = 40
_ALT_TEXT = 500
# How long, in seconds, the outputs of one message may take to fetch.
MEDIA_SECONDS = 120.0
# The files and sentences of an output: two if a picture was recompressed.
Prepared = list[PreparedFile | str]


@dataclass(frozen=True, slots=True)
class _Target:
    """The destination of a run's outputs: the upload limit per file, and the deadline.

    `files` closes the fetched files, and `posted` are the names of those that a message shows already.
    """

    run: Run
    limit: int
    files: ExitStack
    deadline: float
    posted: Collection[str]


class OutputPreparer:
    """Fetches a run's outputs, and shrinks large pictures.

    One thread shrinks them, because a decoded picture may take hundreds of megabytes: the next one waits even
    if nobody waits for this one any more.
    """

    def __init__(self, fetcher: MediaFetcher, backend: Backend, shrinking: Executor) -> None:
        self._fetcher = fetcher
        self._backend = backend
        self._shrinking = shrinking
        self._shrinking_of: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def prepare(
        self,
        run: Run,
        limit: int,
        files: ExitStack,
        *,
        last_try: bool,
        deadline: float,
        posted: Collection[str] = (),
    ) -> PreparedOutputs:
        """Return a run's outputs for an upload limit of `limit` bytes per file, except those `posted`.

        Larger pictures are shrunk if possible, and other larger files are linked; with a limit of 0, every
        file is. The runs of a batch share the space for texts, and the `deadline`, which is a time of the
        event loop. The files are open until `files` closes them.

        Raises MediaError or BackendError if a retry may help. On the `last_try`, and when the time has run
        out, a sentence stands in for each missing file instead.
        """
        target, clock = _Target(run, limit, files, deadline, posted), asyncio.get_running_loop().time
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
        for n in failed:
            items[n] = [link_remark("media_unavailable", outputs[n], n, self._fetcher.may_link)]
        prepared = _assembled(target, [items[n] for n in outputs])
        return replace(prepared, is_gone=bool(failed) and not (prepared.files or prepared.texts))

    async def prepare_copy(self, run: Run, files: ExitStack, deadline: float) -> PreparedOutputs:
        """Return the outputs for a copy of a result, with a sentence for each file that no longer exists.

        Raises RefusedError if no file or text is left, and MediaError or BackendError if a retry may help.
        """
        limit = run.upload_limit
        try:
            prepared = await self.prepare(run, limit, files, last_try=False, deadline=deadline)
        except (MediaExpired, BackendNotFound) as error:
            # Even new links to the files don't work.
            prepared = await self.prepare(run, limit, files, last_try=True, deadline=deadline)
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
        fresh = {_path(each): each for each in found if each.url is not None}
        return {number: fresh.get(_path(old), old) for number, old in outputs.items()}

    async def _fetch(
        self, target: _Target, outputs: Mapping[int, Output]
    ) -> dict[int, Prepared | MediaError]:
        """Return what became of each output, or the error because of which it couldn't be fetched."""
        # The group waits for all of them even if one fails, since their files are closed afterwards.
        async with asyncio.TaskGroup() as group:
            fetches = {n: group.create_task(self._file(target, n, each)) for n, each in outputs.items()}
        return {n: fetch.result() for n, fetch in fetches.items()}

    async def _file(self, target: _Target, number: int, output: Output) -> Prepared | MediaError:
        if any(is_file(name, target.run.key, number) for name in target.posted):
            return []
        try:
            if target.limit > 0:
                with suppress(MediaTooLarge):
                    return await self._attached(target, number, output)
            return [link_remark("media_too_large", output, number, self._fetcher.may_link)]
        except MediaForbidden as error:
            log.warning("refused to fetch an output from a forbidden address: %s", error)
            return [say("media_forbidden", name=output_name(output, number))]
        except MediaError as error:
            return error

    async def _attached(self, target: _Target, number: int, output: Output) -> Prepared:
        """Fetch an output when a slot is free. Raises MediaError, also when the time has run out."""
        run, fetch, media = target.run, self._fetcher.fetch, None
        # A picture above the upload limit is fetched anyway, because it can be recompressed.
        is_picture = (mimetypes.guess_type(output.filename or "")[0] or "").startswith("image/")
        ceiling, url = max(PICTURE_LIMIT if is_picture else 0, target.limit), output.url or ""
        try:
            async with asyncio.timeout_at(target.deadline):
                media = await fetch(url, ceiling, target.files, server=run.server, filename=output.filename)
                if media.size <= target.limit:
                    return [_prepared(run, number, media)]
                if (data := await self._shrink(target, media.content)) is not None:
                    shrunk = Media(io.BytesIO(data), "image/webp", "webp", len(data))
                    told = say("media_recompressed", name=output_name(output, number))
                    return [_prepared(run, number, shrunk), told]
        except TimeoutError:
            if media is None:
                raise MediaUnavailable(f"{output.filename}: no time is left") from None
        raise MediaTooLarge(output.filename or "")

    async def _shrink(self, target: _Target, content: IO[bytes]) -> bytes | None:
        """Return a shrunk picture, or None if it can't be made to fit, or not in the time left.

        One thread shrinks all pictures, so no server has more than one in its queue.
        """
        loop = asyncio.get_running_loop()

        def work() -> bytes | None:
            content.seek(0)
            return shrink(content.read(), target.limit, min(target.deadline - loop.time(), SECONDS))

        async with self._shrinking_of.setdefault(target.run.server, asyncio.Lock()):
            return await loop.run_in_executor(self._shrinking, work)


def _path(output: Output) -> str:
    """Return what stays the same of a link to the output when it is signed again."""
    return (output.url or "").partition("?")[0]


def _assembled(target: _Target, found: Sequence[Prepared]) -> PreparedOutputs:
    """Return the files and sentences with the run's texts. Too long ones are put into one file."""
    run, items = target.run, [item for each in found for item in each]
    files = [item for item in items if isinstance(item, PreparedFile)]
    remarks = [item for item in items if isinstance(item, str)]
    if (more := sum(output.url is not None for output in run.visible) - MAX_FILES) > 0:
        remarks.append(say("media_more", count=more))
    texts = [output.text for output in run.visible if output.text is not None]
    inline, stem = inline_texts(run, texts), file_stem(run.deployment, run.key)
    if inline is None and not any(f"{stem}." in name for name in target.posted):
        data = "\n\n".join(texts).encode()
        files.append(PreparedFile(f"{stem}.txt", FileKind.OTHER, size=len(data), content=io.BytesIO(data)))
    return PreparedOutputs(tuple(files), inline or (), tuple(remarks))


def _prepared(run: Run, number: int, media: Media) -> PreparedFile:
    """Return a file to upload. The run key in its name lets a search find the message again."""
    kind = FileKind.of(media.content_type)
    prefix = "SPOILER_" if run.spoiler and kind not in GALLERY else ""
    filename = f"{prefix}{file_stem(run.deployment, run.key, number)}.{media.suffix}"
    alt = shorten(strip_invisible(run.prompt), _ALT_TEXT) if kind is FileKind.IMAGE and run.prompt else None
    return PreparedFile(filename, kind, alt, media.size, media.content_type, media.content)


def inline_texts(run: Run, texts: Sequence[str]) -> tuple[str, ...] | None:
    """Return the texts to show in the message itself, or None if they are too long for it."""
    if sum(map(len, texts)) > INLINE_TEXT // run.count:
        return None
    return tuple(text for text in texts if text.strip())
