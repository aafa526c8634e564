"""List a user's runs, the queue, usage and limits; cancel runs and redeliver undelivered results."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress

from bot.context import App
from bot.domain.errors import RefusedError, StoreUnavailable
from bot.domain.messages import Kind, Messages, marker
from bot.domain.policy import Usage
from bot.domain.requests import Actor, Member, Preset
from bot.domain.runs import Run
from bot.domain.settings.rules_and_defaults import Budget, ServerRules
from bot.services.access import cancellable, own_here

# How often to look whether the messenger has shown something.
_LOOK_PAUSE = 0.25


async def cancel(app: App, actor: Actor, key: str, *, is_ephemeral: bool = False) -> None:
    """Cancel a batch. Raises RefusedError if it has ended, or if this user may not cancel it.

    If its status message `is_ephemeral`, it is edited through this interaction from now on.
    """
    run, now = await cancellable(app, actor, key), app.now()
    answer_by = actor.origin if is_ephemeral and run.requester_id == actor.id else None
    if not await app.store.runs.request_cancel(run.request_key, now, by=actor.id, answer_by=answer_by):
        raise RefusedError("cancel_too_late")
    app.wakeups.wake("check", "show", "submit")


async def message_kinds(
    app: App, key: str, message_id: int, interaction_id: int | None = None, ids: Collection[int] = ()
) -> frozenset[Kind] | None:
    """Return what a message is about if it belongs to the request of a run, otherwise an empty set.

    A status message counts as an outcome, which it becomes. `interaction_id` is the interaction that the
    message answers, since the id of a status message is stored only after users see it. A message whose
    post isn't confirmed yet is known by the `ids` of its components. Returns None if there is no such run.
    """
    found = await app.store.history.request_of(key)
    if found is None:
        return None
    messages, answer_id, answered = found
    if message_id == answer_id or (answered is not None and answered == interaction_id):
        return frozenset({Kind.OUTCOME})
    return frozenset(
        each.kind
        for each in messages.values()
        if any(ref.message_id == message_id for ref in (*each.refs, *each.stale))
        or (each.attempt is not None and marker(each, each.attempt.part) in ids)
    )


async def until_shown(
    app: App, request_key: str, kinds: Collection[Kind], seconds: float = 5
) -> Messages | None:
    """Wait until no message of these kinds is out of date, and return all of the request.

    Returns None if that takes longer.
    """
    app.wakeups.wake("show")
    for _ in range(int(seconds / _LOOK_PAUSE)):
        await asyncio.sleep(_LOOK_PAUSE)
        with suppress(StoreUnavailable):
            found = await app.store.messages.of_request(request_key)
            if not any(each.is_pending and each.kind in kinds for each in found.values()):
                return found
    return None


async def usage(
    app: App, actor: Actor, target: Member | None
) -> tuple[Usage, tuple[int, int], Budget, Budget | None]:
    """Return the usage of `target`, or the user's own if it is None, with how many runs they and the whole
    server have in flight (or those outside servers), and the limits of both.

    Only moderators get the server's limits and the usage of other members. Raises RefusedError for
    anybody else who asks about another member. The default rules apply outside servers.
    """
    guild_id, person = actor.origin.guild_id, target or actor.person
    rules = await app.store.rules.get(guild_id)
    moderator = guild_id is not None and actor.person.is_moderator(rules)
    if person.id != actor.id and not moderator:
        raise RefusedError("not_a_moderator")
    today = await app.store.figures.today(guild_id, person.id, app.now())
    running = await app.store.figures.running(guild_id, person.id)
    budgets = rules.budgets
    return today, running, budgets.limits_of(person.role_ids), budgets.server if moderator else None


async def limits_here(app: App, actor: Actor) -> tuple[Usage, ServerRules, Sequence[Preset]]:
    """Return what limits the user here, and the presets that apply to requests that name none."""
    facts = await app.store.requests.facts(actor, "", (), app.now(), preset="")
    offered = [each for each in facts.defaults if app.catalogue.get(each.deployment) is not None]
    return facts.usage, facts.rules, offered


async def redeliver(app: App, actor: Actor, run: Run) -> None:
    """Post an undelivered result in the channel of this interaction, or in its deferred answer."""
    if not await app.store.copies.redeliver(run.request_key, actor.origin, app.now()):
        raise RefusedError("post_nothing")
    app.wakeups.wake("show")


async def reopen(app: App, actor: Actor, key: str) -> Sequence[Run]:
    """Return the batch of the user's own private result, to show it to them once more."""
    run = await own_here(app, actor, key)
    batch = await app.store.runs.batch(run)
    if not run.private or not any(each.is_shown and each.visible for each in batch):
        raise RefusedError("open_nothing")
    return batch
