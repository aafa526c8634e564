"""Check the files that a request takes, before anything is spent: by their content, and who made them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping

from bot.context import App
from bot.deployments.draft import Draft
from bot.deployments.files import check_content, is_kind, linked_file, links_of, needs_content
from bot.deployments.inputs import AttachedFile
from bot.deployments.merge import Merged
from bot.deployments.model import Deployment
from bot.domain.backend import InputKind
from bot.domain.errors import InputError, MediaError, WrongFiles
from bot.domain.requests import Actor
from bot.domain.runs import InputValue
from bot.domain.text.file_names import keys_in_links, links_in
from bot.media.file_types import sniff
from bot.services.access import restricts

log = logging.getLogger(__name__)
_SECONDS = 1.0


async def check_files(app: App, deployment: Deployment, inputs: Merged) -> None:
    """Raise WrongFiles if files are of the wrong kind. The error names each of them.

    Only the beginning of a file is read, and only if Discord hasn't read the file itself. If the
    beginning can't be read now, an attached file is refused only if nothing else tells its type. A link
    from an earlier request or result is accepted, because its file was checked then.
    """
    given = [each for each in _given(deployment, inputs) if needs_content(each[0], each[2])]
    mistakes = await asyncio.gather(*(_mistake(app, *each) for each in given))
    wrong = [(mistake, each[2].url) for each, mistake in zip(given, mistakes, strict=True) if mistake]
    if wrong:
        raise WrongFiles([mistake for mistake, _ in wrong], [url for _, url in wrong])


async def _mistake(
    app: App, kind: InputKind, option: str, file: AttachedFile, is_described: bool
) -> InputError | None:
    found = await _type(app, file.url)
    if found is None and not is_described and not is_kind(kind, file):
        # A link from an earlier request or result, whose file was checked when it was attached.
        return None
    try:
        check_content(kind, option, file, found)
    except InputError as error:
        return error
    return None


async def _type(app: App, url: str) -> str | None:
    try:
        async with asyncio.timeout(_SECONDS):
            return sniff(await app.fetcher.head(url))[0]
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


async def origin_of_files(
    app: App, actor: Actor, inputs: Mapping[str, InputValue], draft: Draft
) -> tuple[bool, tuple[str, ...]]:
    """Return whether a file of a request is of an age-restricted result, and the ids of the deployments that
    made its files, and the files that those were made from.

    The names of the files say which runs made them, or took them before. Names may have been changed, so if
    there is a file, the run that the request starts from counts, too. If a run's row is gone, the channel of
    this interaction decides, because the file was found there.
    """
    parent = draft.parent_key if links_in(inputs.values()) else None
    made_by = keys_in_links(inputs.values()) | frozenset(filter(None, [parent, draft.made_by]))
    found = await app.store.runs.several(made_by) if made_by else ()
    gone = len(found) < len(made_by)
    restricted = any(restricts(app, actor, run) for run in found)
    ids = {each for run in found for each in (run.deployment_id, *run.file_deployments)}
    return restricted or (gone and actor.origin.age_restricted), tuple(sorted(ids))
