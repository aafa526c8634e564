"""Who may see, copy, moderate and delete a stored run, and start from it.

A `custom_id` can be forged, so each function loads the run by its key and compares it with the user, the
server and the channel of the interaction, which can't be forged. Functions raise RefusedError, or
StoreUnavailable if the database is unreachable.
"""

from __future__ import annotations

from dataclasses import replace

from bot.context import App
from bot.deployments.model import Deployment, deployment_of
from bot.domain.backend import InputKind
from bot.domain.errors import RefusedError
from bot.domain.messages import Purpose
from bot.domain.moderation import may_delete
from bot.domain.policy import check_moderator, check_posting
from bot.domain.requests import Actor
from bot.domain.runs import Run
from bot.domain.text import channel_url


async def stored(app: App, key: str) -> Run:
    """Return a run without checking who asks."""
    run = await app.store.runs.get(key)
    if run is None:
        raise RefusedError("run_gone")
    return run


async def visible(app: App, actor: Actor, key: str, *, in_gallery: bool = False) -> Run:
    """Return a run that the user may see, with `in_gallery` also as its copy in this channel shows it.

    Users see their own runs, and moderators see the runs of their server. Others see a run only in its
    channel, only if it isn't private, and only after any required approval.
    """
    run = await stored(app, key)
    if run.requester_id == actor.id or await is_moderated(app, actor, run):
        return run
    shown = await _copied_here(app, actor, run) if in_gallery else None
    if shown is None:
        _check_seen_here(run, actor)
    return shown or run


async def source(app: App, actor: Actor, key: str) -> Run:
    """Return a run from which the user may start a request of their own.

    Somebody else's run is one only where everybody sees its result: in its channel, or in the gallery. There
    it is to everybody what its copy shows, also to its requester, because what it becomes is shown there.
    """
    run = await stored(app, key)
    shown = await _copied_here(app, actor, run)
    if run.requester_id != actor.id:
        if shown is None:
            _check_seen_here(run, actor)
        if run.deleted_at is not None or is_hidden_here(app, actor, run):
            raise RefusedError("run_gone")
    return shown or run


async def source_inputs(app: App, actor: Actor, key: str) -> tuple[Run, Deployment]:
    """Return a run from which the user may start, with all of its inputs, and its deployment.

    The deployment may have been renamed. Without erased inputs, its defaults would make something else.
    """
    run = await source(app, actor, key)
    if run.erased_at is not None:
        raise RefusedError("run_erased")
    return run, deployment_of(run, app.catalogue.all()) or app.catalogue.require(run.deployment)


async def _copied_here(app: App, actor: Actor, run: Run) -> Run | None:
    """Return a run as its copy in this channel shows it, or None without a copy.

    A copy that was shared without its prompt hides all texts that somebody typed.
    """
    here = actor.origin.channel_id
    if here == run.channel_id:
        return None
    copy = (await app.store.messages.of_request(run.request_key)).get((Purpose.SHARE, run.index))
    if copy is None or copy.deleted_by is not None or here not in {ref.channel_id for ref in copy.refs}:
        return None
    if copy.with_prompt:
        return run
    deployment = deployment_of(run, app.catalogue.all())
    items = deployment.inputs if deployment is not None else {}
    no_texts = {key for key, item in items.items() if item.kind is not InputKind.TEXT}
    shown = {key: value for key, value in run.inputs.items() if key in no_texts}
    return replace(run, prompt=None, inputs=shown)


def _check_seen_here(run: Run, actor: Actor) -> None:
    """Raise RefusedError unless everybody in the channel of this interaction may see the run."""
    origin = actor.origin
    if run.private or run.guild_id is None or run.guild_id != origin.guild_id:
        raise RefusedError("run_gone")
    if run.hidden_from_channel:  # also in the channel of its review card, where "gone" would be wrong
        raise RefusedError("details_hidden")
    if run.channel_id != origin.channel_id:
        raise RefusedError("run_gone")


async def cancellable(app: App, actor: Actor, key: str) -> Run:
    """Return a run that the user may cancel. Who may delete its result may cancel it."""
    run = await stored(app, key)
    if not await is_deletable(app, actor, run):
        raise _not_theirs(run, actor, "cancel_not_yours")
    return run


async def own_here(app: App, actor: Actor, key: str) -> Run:
    """Return the user's own run, if it is of this server and an existing result may be posted here."""
    run, origin = await stored(app, key), actor.origin
    if run.requester_id != actor.id:
        raise RefusedError("not_yours")
    if run.guild_id != origin.guild_id:
        if run.guild_id is None:
            raise RefusedError("post_outside")
        raise RefusedError("post_elsewhere", url=channel_url(run.guild_id, run.channel_id))
    usage = await app.store.figures.today(origin.guild_id, actor.id, app.now())
    check_posting(origin, usage, app.store.operator)
    return run


async def moderator(app: App, actor: Actor) -> int:
    """Return the id of the server that the user moderates."""
    return check_moderator(actor.guild_id, actor.person, await app.store.rules.get(actor.guild_id))


async def moderated(app: App, actor: Actor, key: str) -> Run:
    run = await of_server(app, actor, key)
    await moderator(app, actor)
    return run


async def of_server(app: App, actor: Actor, key: str) -> Run:
    run = await stored(app, key)
    if run.guild_id != actor.guild_id:
        raise RefusedError("run_gone")
    return run


async def is_moderated(app: App, actor: Actor, run: Run) -> bool:
    """Return whether the user is a moderator of the run's server, and there now."""
    if run.guild_id is None or run.guild_id != actor.guild_id:
        return False
    return actor.person.is_moderator(await app.store.rules.get(run.guild_id))


async def is_deletable(app: App, actor: Actor, run: Run, channel_id: int | None = None) -> bool:
    """Return whether the user may delete the run's result, or its copy in the channel with this id.

    Its requester, the server's moderators and users who may delete messages in the channel may.
    """
    return may_delete(run, actor, channel_id) or await is_moderated(app, actor, run)


async def check_deletable(app: App, actor: Actor, run: Run, channel_id: int) -> None:
    """Raise RefusedError unless the user may delete messages of the run in this channel."""
    if await is_deletable(app, actor, run, channel_id):
        return
    review_channel = (await app.store.rules.get(run.guild_id)).approval.review_channel_id
    is_reportable = review_channel is not None and run.is_shown and not run.private
    raise _not_theirs(run, actor, "delete_not_yours_report" if is_reportable else "delete_not_yours")


def _not_theirs(run: Run, actor: Actor, code: str) -> RefusedError:
    """Return the refusal for somebody else's run; the code is for members of its server."""
    if run.guild_id != actor.guild_id:
        return RefusedError("run_gone")
    return RefusedError("not_yours" if run.guild_id is None else code)


def restricts(app: App, actor: Actor, run: Run) -> bool:
    """Return whether a result may be shown and used only in age-restricted channels."""
    marked_now = app.catalogue.is_marked(run) or actor.channel_state(run.channel_id).age_restricted
    return run.is_restricted(marked_now)


def is_hidden_here(app: App, actor: Actor, run: Run) -> bool:
    """Return whether a result is too restricted for the channel of this interaction."""
    return restricts(app, actor, run) and not actor.origin.channel_age_restricted
