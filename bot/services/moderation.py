"""Approve, reject and report requests and results, delete what is shown, block members, and pause the bot."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from bot.context import App
from bot.discord_api.channels import ANSWER_SECONDS, channel_state, requester_now
from bot.domain.errors import RefusedError, RefusedForNow
from bot.domain.messages import COPIES, MessageRef, Purpose
from bot.domain.moderation import (
    NOTE_LENGTH,
    REPORT_REASONS,
    AuditAction,
    Block,
    Report,
    check_shown,
    check_undecided,
)
from bot.domain.picture_check import Verdict, decision_by
from bot.domain.policy import check_moderator
from bot.domain.requests import PAGE_SIZE, Actor, Member
from bot.domain.runs import Run
from bot.domain.text import shorten
from bot.sentences import explain, say
from bot.services.access import check_deletable, is_hidden_here, moderated, moderator, of_server, stored
from bot.services.runs import message_purposes
from bot.store import blocks
from bot.store.audit import add_entries, request_entry


async def approve(app: App, actor: Actor, key: str) -> None:
    """Let a request start. Raises DiscordAway.

    An approval is judged like a new request, by the current state of its requester and channel. If a rule
    forbids the start, this raises RefusedError with the rule's reason: `approve_later` if the card stays,
    `approve_never` if the request has ended. If this user has already approved the request, nothing happens,
    since the reply may have been lost.
    """
    run, client = await moderated(app, actor, key), app.discord.client
    person = await requester_now(client, run)
    channel = await channel_state(client, run, seconds=ANSWER_SECONDS)
    refused = await app.store.reviews.approve(
        key, actor.id, app.now(), person=person, channel=channel, offer=app.catalogue.offer(run)
    )
    if isinstance(refused, RefusedForNow):
        raise RefusedError("approve_later", str(refused), reason=explain(refused))
    app.wakeups.wake("show")
    if refused is not None:
        raise RefusedError("approve_never", str(refused), reason=explain(refused))
    app.wakeups.wake("submit")


async def check_rejectable(app: App, actor: Actor, key: str) -> None:
    check_undecided(actor.id, await moderated(app, actor, key))


async def reject(app: App, actor: Actor, key: str, reason: str) -> None:
    await moderated(app, actor, key)
    await app.store.reviews.reject(key, actor.id, reason, app.now())
    app.wakeups.wake("show")


async def report_channel(app: App, actor: Actor) -> int | None:
    """Return the channel in which a report from this server would reach its moderators, or None."""
    rules = await app.store.rules.get(actor.origin.guild_id)
    channel_id = rules.approval.review_channel_id
    return channel_id if channel_id is not None and actor.channel_state(channel_id).can_post else None


async def check_reportable(app: App, actor: Actor, key: str) -> tuple[Run, int]:
    """Return the run and the channel for its report. Raises RefusedError if it can't be reported."""
    run = await of_server(app, actor, key)
    if run.private:  # nobody else sees it, so nobody can report it
        raise RefusedError("run_gone")
    reported = await app.store.runs.batch(run) if run.index == 0 else [run]
    check_shown(*reported)
    channel_id = await report_channel(app, actor)
    if channel_id is None:
        raise RefusedError("no_review_channel")
    return run, channel_id


async def report(app: App, actor: Actor, key: str, reason: str, note: str) -> bool:
    """Report a result to the moderators, for one of `REPORT_REASONS`.

    Returns False if the moderators have already handled an earlier report by this user.
    """
    run, channel_id = await check_reportable(app, actor, key)
    if reason not in REPORT_REASONS:
        raise RefusedError("other_version", f"{reason!r} is no reason of a report")
    made = Report(actor.id, say(f"report_reason_{reason}"), shorten(note.strip(), NOTE_LENGTH))
    is_new = await app.store.reviews.report(run.key, made, channel_id, app.now())
    app.wakeups.wake("show")
    return is_new


async def delete_reported(app: App, actor: Actor, key: str) -> None:
    """Delete a reported result or batch, which closes its report. If that is gone, only close the report."""
    run = await moderated(app, actor, key)
    whole, reviews, now = run.index == 0, app.store.reviews, app.now()
    if any(each.is_shown for each in (await app.store.runs.batch(run) if whole else [run])):
        await reviews.delete(key, actor.id, now, whole_batch=whole)
    else:
        await reviews.dismiss(key, actor.id, now)
    app.wakeups.wake("show")


async def dismiss(app: App, actor: Actor, key: str) -> None:
    """Close a report and leave the result in place."""
    await moderated(app, actor, key)
    await app.store.reviews.dismiss(key, actor.id, app.now())
    app.wakeups.wake("show")


async def decide_pictures(app: App, actor: Actor, key: str, *, verdict: Verdict) -> None:
    """Decide about everything of a request that waits for a moderator."""
    await moderated(app, actor, key)
    await app.store.reviews.decide_pictures(key, decision_by(actor.id, verdict), app.now())
    app.wakeups.wake("show")


async def open_private(app: App, actor: Actor, key: str) -> Sequence[Run]:
    """Return a request's private results for a moderator, and record that they opened them."""
    run = await moderated(app, actor, key)
    batch = await app.store.runs.batch(run)
    opened = [each for each in batch if each.private and each.is_shown and each.visible]
    if not opened:
        raise RefusedError("already_deleted" if any(run.deleted_at for run in batch) else "open_nothing")
    if is_hidden_here(app, actor, run):
        raise RefusedError("result_age")
    entry = request_entry(opened, AuditAction.OPEN_PRIVATE, actor.id, app.now())
    await app.store.database.write(add_entries, entry)
    return opened


async def delete_shown(
    app: App, actor: Actor, key: str, message: MessageRef | None = None, *, whole: bool
) -> tuple[Run, bool]:
    """Delete the copy of a result that `message` shows, or else the result, with `whole` of the whole batch.

    If there is no result, delete the message about that. `message` is None if only the user sees it. Returns
    the run, and whether only a copy was deleted. The messenger removes it from Discord.
    """
    run, now = await stored(app, key), app.now()
    purposes = await message_purposes(app, key, message.message_id) if message is not None else None
    if message is not None and purposes and not COPIES.isdisjoint(purposes):
        await check_deletable(app, actor, run, message.channel_id)
        await app.store.copies.delete(key, message, actor.id, now)
        return run, True
    await check_deletable(app, actor, run, run.channel_id)
    if purposes is not None and not purposes:  # it is gone, so the press isn't about what is left
        raise RefusedError("already_deleted")
    about = await app.store.runs.batch(run) if whole else [run]
    if any(each.has_result or not each.final for each in about):
        await app.store.reviews.delete(key, actor.id, now, whole_batch=whole)
    else:
        await app.store.reviews.discard(key, actor.id, now)
    return run, False


async def discard(app: App, actor: Actor, key: str, message_id: int) -> None:
    """Check that the user may delete a message without a result, which the caller deletes.

    If it belongs to the outcome, and no result of the batch is shown any more, the outcome's other messages
    are deleted, too.
    """
    run = await stored(app, key)
    await check_deletable(app, actor, run, run.channel_id)
    outcome = (await app.store.messages.of_request(run.request_key)).get((Purpose.OUTCOME, 0))
    if outcome is not None and any(ref.message_id == message_id for ref in (*outcome.refs, *outcome.stale)):
        await app.store.reviews.discard(key, actor.id, app.now())
        app.wakeups.wake("show")


async def check_blockable(app: App, actor: Actor, key: str) -> None:
    """Raise RefusedError for the user's own request. `block` checks who else can't be blocked."""
    if (await moderated(app, actor, key)).requester_id == actor.id:
        raise RefusedError("block_self")


async def block(
    app: App, actor: Actor, target: Member, *, reason: str, duration: timedelta | None
) -> tuple[Block, int]:
    """Block a member and end their waiting runs. Return the block, and of how many requests these were.

    Without `duration`, the block lasts until it is lifted. Raises RefusedError without a reason, and if the
    user can't block this member.
    """
    rules, now = await app.store.rules.get(actor.guild_id), app.now()
    server = check_moderator(actor.guild_id, actor.person, rules)
    if target.id == actor.id:
        raise RefusedError("block_self")
    if target.owns_server:
        raise RefusedError("block_owner", person=target.id)
    if target.is_moderator(rules):
        raise RefusedError("block_moderator", person=target.id)
    if not reason.strip():
        raise RefusedError("block_no_reason")
    block = Block(
        guild_id=server,
        user_id=target.id,
        reason=reason.strip(),
        until=now + duration if duration is not None else None,
        created_at=now,
        created_by=actor.id,
    )
    ended = await app.store.database.write(blocks.add, block)
    app.wakeups.wake("show", "submit")
    return block, ended


async def block_requester(
    app: App, actor: Actor, key: str, *, reason: str, duration: timedelta | None
) -> tuple[Block, int]:
    """Block the requester of a run, as `block` does, and hide everything of it that waits for a moderator."""
    target = await requester_now(app.discord.client, await moderated(app, actor, key))
    blocked = await block(app, actor, target, reason=reason, duration=duration)
    with suppress(RefusedError):  # nothing is held, or another moderator has just decided
        await decide_pictures(app, actor, key, verdict=Verdict.HIDDEN)
    return blocked


async def unblock(app: App, actor: Actor, user_id: int) -> None:
    """Lift a member's block. Raises RefusedError if there is none."""
    server = await moderator(app, actor)
    if not await app.store.database.write(blocks.lift, server, user_id, by=actor.id, now=app.now()):
        raise RefusedError("unblock_nothing", person=user_id)


async def blocked(app: App, actor: Actor, page: int) -> Sequence[Block]:
    """Return a page of the active blocks, counted from 0, plus one more block if there is a next page."""
    server = await moderator(app, actor)
    return await app.store.database.read(
        blocks.active, server, app.now(), limit=PAGE_SIZE + 1, offset=page * PAGE_SIZE
    )


async def pause(app: App, owner_id: int, reason: str) -> None:
    """Refuse requests and start no runs until `resume`. The caller checks that the user owns the bot."""
    await app.store.pause.pause(reason, by=owner_id, now=app.now())
    app.wakeups.wake("show")


async def resume(app: App, owner_id: int) -> None:
    """Accept requests again and start the waiting ones. Raises RefusedError if the bot is not paused."""
    if not await app.store.pause.resume(by=owner_id, now=app.now()):
        raise RefusedError("resume_nothing")
    app.wakeups.wake("submit", "show")
