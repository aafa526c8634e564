"""Check the files that a request takes by their content, before anything is spent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

from bot.deployments.files import AttachedFile, check_content, is_kind, linked_file, needs_content
from bot.deployments.kinds.plain import links_of
from bot.deployments.merge import Merged
from bot.deployments.model import Deployment
from bot.domain.backend import InputKind
from bot.domain.errors import InputError, MediaError, WrongFiles

log = logging.getLogger(__name__)
_SECONDS = 1.0
# Returns the content type that a file's first bytes show. Raises MediaError if they can't be read.
DetectType = Callable[[str], Awaitable[str]]


class InputFiles:
    """Checks the input files of every request, however they were chosen."""

    def __init__(self, detect: DetectType, *, seconds: float = _SECONDS) -> None:
        self._detect = detect
        self._seconds = seconds

    async def check(self, deployment: Deployment, inputs: Merged) -> None:
        """Raise WrongFiles if files are of the wrong kind. The error names each of them.

        Only the beginning of a file is read, and only if Discord hasn't read the file itself. If the
        beginning can't be read now, an attached file is refused only if nothing else tells its type. A link
        from an earlier request or result is accepted, because its file was checked then.
        """
        given = [each for each in _given(deployment, inputs) if needs_content(each[0], each[2])]
        mistakes = await asyncio.gather(*(self._mistake(*each) for each in given))
        wrong = [(mistake, each[2].url) for each, mistake in zip(given, mistakes, strict=True) if mistake]
        if wrong:
            raise WrongFiles([mistake for mistake, _ in wrong], [url for _, url in wrong])

    async def _mistake(
        self, kind: InputKind, option: str, file: AttachedFile, is_described: bool
    ) -> InputError | None:
        found = await self._type(file.url)
        if found is None and not is_described and not is_kind(kind, file):
            # A link from an earlier request or result, whose file was checked when it was attached.
            return None
        try:
            check_content(kind, option, file, found)
        except InputError as error:
            return error
        return None

    async def _type(self, url: str) -> str | None:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._detect(url)
        except (MediaError, TimeoutError) as error:
            log.info("can't read the beginning of an input file: %s", str(error) or type(error).__name__)
            return None


def _given(deployment: Deployment, inputs: Merged) -> Iterator[tuple[InputKind, str, AttachedFile, bool]]:
    """Yield each file with its input's kind and option, and whether Discord described it."""
    for item in deployment.offered:
        if not item.takes_file:
            continue
        attached = {file.url: file for file in inputs.files.get(item.key, ())}
        for index, url in enumerate(links_of(inputs.inputs.get(item.key))):
            option = item.option_names[min(index, len(item.option_names) - 1)]
            yield item.kind, option, attached.get(url) or linked_file(url), url in attached
