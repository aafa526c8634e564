"""Check the files that a request takes by their content, before anything is spent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from bot.deployments.inputs import CollectedInputs
from bot.deployments.model import ATTACHMENTS, Deployment, Input
from bot.deployments.validation import AttachedFile, check_content, is_kind, linked_file, needs_content
from bot.domain.errors import InputError, MediaError, WrongFiles

log = logging.getLogger(__name__)
_SECONDS = 1.0
# Returns the content type that a file's first bytes show. Raises MediaError if they can't be read.
DetectType = Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class _Given:
    """A file that an input takes. It is `known` if it came with Discord's description of it."""

    item: Input
    option: str
    file: AttachedFile
    known: bool


class InputFiles:
    """Checks the input files of every request, however they were chosen."""

    def __init__(self, detect: DetectType, *, seconds: float = _SECONDS) -> None:
        self._detect = detect
        self._seconds = seconds

    async def check(self, deployment: Deployment, inputs: CollectedInputs) -> None:
        """Raise WrongFiles if files are of the wrong kind. The error names each of them.

        Only the beginning of a file is read, and only if Discord hasn't read the file itself. If the
        beginning can't be read now, an attached file is refused only if nothing else tells its type. A link
        from an earlier request or result is accepted, because its file was checked then.
        """
        given = _to_read(deployment, inputs)
        mistakes = await asyncio.gather(*map(self._mistake, given))
        wrong = [(mistake, each.file.url) for each, mistake in zip(given, mistakes, strict=True) if mistake]
        if wrong:
            raise WrongFiles([mistake for mistake, _ in wrong], [url for _, url in wrong])

    async def _mistake(self, given: _Given) -> InputError | None:
        kind, file = given.item.kind, given.file
        found = await self._type(file.url)
        if found is None and not given.known and not is_kind(kind, file):
            # A link from an earlier request or result, whose file was checked when it was attached.
            return None
        try:
            check_content(kind, given.option, file, found)
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


def _to_read(deployment: Deployment, inputs: CollectedInputs) -> Sequence[_Given]:
    return [each for each in _given(deployment, inputs) if needs_content(each.item.kind, each.file)]


def _given(deployment: Deployment, inputs: CollectedInputs) -> Iterator[_Given]:
    for item in deployment.offered:
        value = inputs.inputs.get(item.key)
        if item.kind not in ATTACHMENTS or value is None:
            continue
        attached = {file.url: file for file in inputs.files.get(item.key, ())}
        for index, url in enumerate(value if isinstance(value, list) else [str(value)]):
            option = item.option_names[min(index, len(item.option_names) - 1)]
            yield _Given(item, option, attached.get(url) or linked_file(url), url in attached)
