"""Block and unblock members; pause the bot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.domain.access import check_moderator
from bot.domain.blocks import Block
from bot.domain.errors import RefusedError
from bot.domain.pages import PAGE_SIZE
from bot.domain.requests import Member
from bot.store import Store, blocks
from bot.wakeups import Wakeups


class BlockService:
    """Blocks and unblocks members, and pauses the bot.

    Methods raise RefusedError, in which case nothing was changed, or StoreUnavailable if the database is
    unreachable.
    """

    def __init__(
        self,
        store: Store,
        wakeups: Wakeups,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._database = store.database
        self._wakeups = wakeups
        self._clock = clock

    async def check(self, guild_id: int | None, moderator: Member, target: Member) -> int:
        """Return the server's id. Raises RefusedError if the moderator can't block this member."""
        rules = await self._store.rules.get(guild_id)
        server = check_moderator(guild_id, moderator, rules)
        if target.id == moderator.id:
            raise RefusedError("block_self")
        if target.owns_server:
            raise RefusedError("block_owner", person=target.id)
        if target.is_moderator(rules):
            raise RefusedError("block_moderator", person=target.id)
        return server

    async def block(
        self,
        guild_id: int | None,
        moderator: Member,
        target: Member,
        *,
        reason: str,
        duration: timedelta | None,
    ) -> tuple[Block, int]:
        """Block a member and end their waiting runs. Return the block, and how many runs it ended.

        Without `duration`, the block lasts until it is lifted.
        """
        now = self._clock()
        block = Block(
            guild_id=await self.check(guild_id, moderator, target),
            user_id=target.id,
            reason=reason,
            until=now + duration if duration is not None else None,
            created_at=now,
            created_by=moderator.id,
        )
        ended = await self._database.write(blocks.add, block)
        self._wakeups.show()
        self._wakeups.submit()
        return block, ended

    async def unblock(
        self, guild_id: int | None, moderator: Member, user_id: int, *, since: datetime | None = None
    ) -> None:
        """Lift a member's block. Raises RefusedError if there is none.

        With `since`, only the block that was stored at that time is lifted. The list of blocks that the
        moderator sees may be older than the current block.
        """
        server = await self._check_moderator(guild_id, moderator)
        now = self._clock()
        if not await self._database.write(
            blocks.lift, server, user_id, by=moderator.id, now=now, since=since
        ):
            raise RefusedError("unblock_nothing" if since is None else "unblock_over", person=user_id)

    async def blocked(
        self, guild_id: int | None, moderator: Member, page: int
    ) -> tuple[Sequence[Block], bool]:
        """Return a page, counted from 0, of the active blocks, and whether more follow."""
        server = await self._check_moderator(guild_id, moderator)
        found = await self._database.read(
            blocks.active, server, self._clock(), limit=PAGE_SIZE + 1, offset=page * PAGE_SIZE
        )
        return found[:PAGE_SIZE], len(found) > PAGE_SIZE

    async def pause(self, owner_id: int, reason: str) -> None:
        """Refuse requests and start no runs until `resume`. The caller checks that the user owns the bot."""
        await self._store.pause.pause(reason, by=owner_id, now=self._clock())
        self._wakeups.show()

    async def resume(self, owner_id: int) -> None:
        """Accept requests again and start the waiting ones. Raises RefusedError if the bot is not paused."""
        if not await self._store.pause.resume(by=owner_id, now=self._clock()):
            raise RefusedError("resume_nothing")
        self._wakeups.submit()
        self._wakeups.show()

    async def _check_moderator(self, guild_id: int | None, moderator: Member) -> int:
        return check_moderator(guild_id, moderator, await self._store.rules.get(guild_id))
