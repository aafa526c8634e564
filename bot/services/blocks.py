"""Block and unblock members; pause the bot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.budgets import UsageView, limits_of
from bot.domain.errors import RefusedError
from bot.domain.records import (
    OUTCOMES,
    ActiveBlock,
    AuditButton,
    AuditCursor,
    AuditFilter,
    AuditPage,
    BlockResult,
    Erased,
)
from bot.domain.requests import Member
from bot.domain.rules import ServerRules
from bot.services.audit import (
    _SUGGESTED,
    LINES_SHOWN,
    SERVER_ACTIONS,
    AuditQuery,
    CsvFile,
    CsvWriter,
    _offered,
)
from bot.services.privacy import OwnData, PersonalDataWriter
from bot.services.runs import _server_limits
from bot.store.audit import AuditStore
from bot.store.blocks import BlockStore
from bot.store.privacy import PrivacyStore
from bot.store.requests import RequestStore
from bot.store.rules import PauseStore
from bot.store.usage import RunningStore
from bot.workers.worker import Wakeups


@dataclass(frozen=True, slots=True)
class PeopleStores:
    """What the desk reads and writes."""

    audit: AuditStore
    blocks: BlockStore
    pause: PauseStore
    privacy: PrivacyStore
    intake: RequestStore
    running: RunningStore


class PeopleDesk:
    """Every method raises RefusedError with its sentence, or StoreUnavailable; then nothing was changed.

    `rules` are a server's own; `deployments` the names on offer.
    """

    def __init__(
        self,
        stores: PeopleStores,
        *,
        rules: Callable[[int], Awaitable[ServerRules]],
        deployments: Callable[[], Sequence[str]],
        wakeups: Wakeups,
        clock: Callable[[], datetime],
    ) -> None:
        self._stores = stores
        self._nudges = wakeups
        self._rules = rules
        self._deployments = deployments
        self._clock = clock

    async def check_moderator(self, guild_id: int | None, person: Member) -> int:
        """The server's id, for its moderators; RefusedError for everybody else and outside servers."""
        if guild_id is None:
            raise RefusedError("server_only")
        if not person.is_moderator(await self._rules(guild_id)):
            raise RefusedError("not_a_moderator")
        return guild_id

    def suggest_deployments(self, typed: str) -> Sequence[str]:
        """For autocomplete, from memory."""
        wanted = typed.strip().casefold()
        return [name for name in self._deployments() if wanted in name.casefold()][:_SUGGESTED]

    # the record

    async def record(
        self, guild_id: int | None, moderator: Member, query: AuditQuery
    ) -> tuple[AuditPage, AuditFilter]:
        """The newest page, and the filter that its buttons carry on."""
        server = await self.check_moderator(guild_id, moderator)
        wanted = self._filter(query)
        return await self._stores.audit.page(server, wanted, LINES_SHOWN), wanted

    async def turn(
        self,
        guild_id: int | None,
        moderator: Member,
        wanted: AuditFilter,
        step: AuditButton,
        cursor: AuditCursor | None,
    ) -> AuditPage:
        """The page that a button leads to; the newest one for a button without a place."""
        server = await self.check_moderator(guild_id, moderator)
        if step is AuditButton.NEWER and cursor is not None:
            return await self._stores.audit.page_after(server, wanted, LINES_SHOWN, cursor)
        return await self._stores.audit.page(server, wanted, LINES_SHOWN, before=cursor)

    async def record_file(self, guild_id: int | None, moderator: Member, wanted: AuditFilter) -> CsvFile:
        """All that matches, up to the file's limits."""
        server = await self.check_moderator(guild_id, moderator)
        writer = CsvWriter()
        async for lines in self._stores.audit.export(server, wanted):
            if not all(writer.add(line) for line in lines):
                break
        return writer.file()

    # blocks

    async def block(
        self,
        guild_id: int | None,
        moderator: Member,
        target: Member,
        *,
        reason: str,
        duration: timedelta | None,
    ) -> BlockResult:
        """What the person has waiting here ends with it."""
        server = await self.check_moderator(guild_id, moderator)
        if target.id == moderator.id:
            raise RefusedError("block_self")
        if target.is_moderator(await self._rules(server)):
            raise RefusedError("block_moderator", person=target.id)
        now = self._clock()
        until = now + duration if duration is not None else None
        ended = await self._stores.blocks.block(
            server, target.id, by=moderator.id, reason=reason, until=until, now=now
        )
        self._nudges.deliver()
        self._nudges.submit()
        return BlockResult(until, ended)

    async def unblock(self, guild_id: int | None, moderator: Member, target_id: int) -> None:
        server = await self.check_moderator(guild_id, moderator)
        if not await self._stores.blocks.unblock(server, target_id, by=moderator.id, now=self._clock()):
            raise RefusedError("unblock_nothing", person=target_id)

    async def blocked(
        self, guild_id: int | None, moderator: Member, page: int
    ) -> tuple[Sequence[ActiveBlock], bool]:
        """One page, counted from 0, and whether there are more."""
        server = await self.check_moderator(guild_id, moderator)
        found = await self._stores.blocks.list(
            server, self._clock(), limit=BLOCKED_SHOWN + 1, offset=page * BLOCKED_SHOWN
        )
        return found[:BLOCKED_SHOWN], len(found) > BLOCKED_SHOWN

    # the pause

    async def pause(self, owner_id: int, reason: str) -> None:
        """Whether it is an owner who asks is for the caller to know: only Discord can tell."""
        await self._stores.pause.pause(reason, by=owner_id, now=self._clock())

    async def resume(self, owner_id: int) -> None:
        if not await self._stores.pause.resume(by=owner_id, now=self._clock()):
            raise RefusedError("resume_nothing")

    # usage

    async def usage(self, guild_id: int | None, requester: Member, target: Member | None) -> UsageView:
        """One's own; for moderators also others' and the server's. Outside servers the defaults hold."""
        rules = await self._rules(guild_id) if guild_id is not None else ServerRules()
        moderator = guild_id is not None and requester.is_moderator(rules)
        person = target or requester
        if person.id != requester.id and not moderator:
            raise RefusedError("not_a_moderator")
        return UsageView(
            user_id=person.id,
            own=person.id == requester.id,
            usage=await self._stores.intake.usage_of(guild_id, person.id, self._clock()),
            running=await self._stores.running.count(guild_id, person.id),
            limits=limits_of(person, rules),
            server=_server_limits(rules) if moderator else None,
        )

    # one's own data

    async def own_data(self, user_id: int) -> OwnData:
        """Everything about a person, on every server, up to the file's limit."""
        writer = PersonalDataWriter(user_id, self._clock())
        writer.add_blocks(await self._stores.privacy.blocks_of(user_id))
        writer.add_presets(await self._stores.privacy.presets_of(user_id))
        async for runs in self._stores.privacy.runs_of(user_id):
            if not writer.add_runs(runs):
                break
        async for lines in self._stores.privacy.record_of(user_id):
            if not writer.add_record(lines):
                break
        return writer.file()

    async def erase(self, user_id: int) -> Erased:
        return await self._stores.privacy.erase(user_id, self._clock())

    def _filter(self, query: AuditQuery) -> AuditFilter:
        since, until = query.since_days, query.until_days
        if since is not None and until is not None and since <= until:
            raise RefusedError("record_range", since=since, until=until)
        return AuditFilter(
            subject=query.subject,
            actor=query.actor,
            deployment=query.deployment,
            outcome=_offered(OUTCOMES, query.outcome),
            action=_offered(SERVER_ACTIONS, query.action),
            since=self._days_ago(since),
            until=self._days_ago(until),
        )

    def _days_ago(self, days: int | None) -> datetime | None:
        # Whole seconds: that is what the pages' buttons carry.
        now = self._clock().replace(microsecond=0)
        return now - timedelta(days=days) if days is not None else None


BLOCKED_SHOWN = 10
