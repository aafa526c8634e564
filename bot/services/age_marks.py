"""Apply the rule about age restriction to results that a user shows again or uses in a new request."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from bot.context import App
from bot.domain.errors import RefusedError
from bot.domain.requests import Actor
from bot.domain.results.showing import is_restricted_now
from bot.domain.runs import InputValue, Run
from bot.domain.text.file_names import keys_in_links, links_in


@dataclass(frozen=True, slots=True)
class FileMarks:
    """What the files of a new request say about it.

    `restricted` means that one is of an age-restricted result. `deployments` are the ids of the deployments
    that made the files, and the files that they were made from.
    """

    restricted: bool = False
    deployments: tuple[str, ...] = ()


def restricts(app: App, actor: Actor, run: Run) -> bool:
    """Return whether a result may be shown and used only in age-restricted channels."""
    channel = actor.channel_state(run.channel_id)
    return is_restricted_now(run, app.catalogue.age_marks(run), channel)


def check_age(app: App, actor: Actor, run: Run) -> None:
    """Raise RefusedError if a result may not be shown in the channel of this interaction."""
    if restricts(app, actor, run) and not actor.origin.age_restricted:
        raise RefusedError("result_age")


async def marks_of_files(app: App, actor: Actor, made_by: Set[str]) -> FileMarks:
    """Return the marks of files. `made_by` are the keys of the runs that made them or took them before.

    If a run's row is gone, the channel of this interaction decides, because the file was found there.
    """
    found = await app.store.runs.several(made_by)
    gone = len(found) < len(made_by)
    restricted = any(restricts(app, actor, run) for run in found)
    ids = {each for run in found for each in (run.deployment_id, *run.file_deployments)}
    return FileMarks(restricted or (gone and actor.origin.age_restricted), tuple(sorted(ids)))


def file_sources(
    inputs: Mapping[str, InputValue], parent_key: str | None, made_by: str | None = None
) -> frozenset[str]:
    """Return the keys of the runs that made the files in these inputs, or took them before.

    The names of the files say which runs made them. Names may have been changed, so if there is a file, the
    run that the request starts from counts, too. `made_by` is a run that is known to have made one.
    """
    parent = parent_key if links_in(inputs.values()) else None
    return keys_in_links(inputs.values()) | frozenset(filter(None, [parent, made_by]))
