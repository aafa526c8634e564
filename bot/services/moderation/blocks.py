"""Block and unblock members; pause the bot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.context import App
from bot.domain.errors import RefusedError
from bot.domain.moderation import Block
from bot.domain.pages import PAGE_SIZE
from bot.domain.policy import check_moderator
from bot.domain.requests import Actor, Member
from bot.services.access import moderator
from bot.store import blocks


async def check(app: App, actor: Actor, target: Member) -> int:
    """Return the server's id. Raises RefusedError if the moderator can't block this member."""
    rules = await app.store.rules.get(actor.guild_id)
    server = check_moderator(actor.guild_id, actor.person, rules)
    if target.id == actor.id:
        raise RefusedError("block_self")
    if target.owns_server:
        raise RefusedError("block_owner", person=target.id)
    if target.is_moderator(rules):
        raise RefusedError("block_moderator", person=target.id)
    return server


async def block(
    app: App, actor: Actor, target: Member, *, reason: str, duration: timedelta | None
) -> tuple[Block, int]:
    """Block a member and end their waiting runs. Return the block, and of how many requests these were.

    Without `duration`, the block lasts until it is lifted.
    """
    now = app.now()
    block = Block(
        guild_id=await check(app, actor, target),
        user_id=target.id,
        reason=reason,
        until=now + duration if duration is not None else None,
        created_at=now,
        created_by=actor.id,
    )
    ended = await app.store.database.write(blocks.add, block)
    app.wakeups.show()
    app.wakeups.submit()
    return block, ended


async def unblock(app: App, actor: Actor, user_id: int, *, since: datetime | None = None) -> None:
    """Lift a member's block. Raises RefusedError if there is none.

    With `since`, only the block that was stored at that time is lifted. The list of blocks that the
    moderator sees may be older than the current block.
    """
    server = await moderator(app, actor)
    now = app.now()
    if not await app.store.database.write(blocks.lift, server, user_id, by=actor.id, now=now, since=since):
        raise RefusedError("unblock_nothing" if since is None else "unblock_over", person=user_id)


async def blocked(app: App, actor: Actor, page: int) -> tuple[Sequence[Block], bool]:
    """Return a page, counted from 0, of the active blocks, and whether more follow."""
    server = await moderator(app, actor)
    found = await app.store.database.read(
        blocks.active, server, app.now(), limit=PAGE_SIZE + 1, offset=page * PAGE_SIZE
    )
    return found[:PAGE_SIZE], len(found) > PAGE_SIZE


async def pause(app: App, owner_id: int, reason: str) -> None:
    """Refuse requests and start no runs until `resume`. The caller checks that the user owns the bot."""
    await app.store.pause.pause(reason, by=owner_id, now=app.now())
    app.wakeups.show()


async def resume(app: App, owner_id: int) -> None:
    """Accept requests again and start the waiting ones. Raises RefusedError if the bot is not paused."""
    if not await app.store.pause.resume(by=owner_id, now=app.now()):
        raise RefusedError("resume_nothing")
    app.wakeups.submit()
    app.wakeups.show()
