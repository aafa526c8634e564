"""List a user's runs, the queue and usage; cancel runs and redeliver undelivered results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.access import OperatorRules
from bot.domain.budgets import Limits, UsageView, limits_of
from bot.domain.errors import RefusedError
from bot.domain.messages.records import Kind, MessageRef, marker
from bot.domain.pages import PAGE_SIZE, Direction, HistoryPage, RunsPage
from bot.domain.requests import Member, Requester
from bot.domain.results.showing import check_posting
from bot.domain.runs import Deletions, Run
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.text import channel_url
from bot.services.age_marks import AgeMarks
from bot.store import Store
from bot.wakeups import Wakeups

# How long a redelivery waits for its placeholder. Discord accepts an answer for 3 s.
_PLACEHOLDER_WAIT = timedelta(seconds=5)


class RunService:
    """Lists runs, cancels them and redelivers their results.

    Methods raise RefusedError, in which case nothing was changed, or StoreUnavailable if the database is
    unreachable.
    """

    def __init__(
        self,
        store: Store,
        age_marks: AgeMarks,
        operator: OperatorRules,
        wakeups: Wakeups,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._age_marks = age_marks
        self._operator = operator
        self._wakeups = wakeups
        self._clock = clock

    async def visible(self, key: str, requester: Requester) -> Run:
        """Return a run that the requester may see. Raises RefusedError.

        Users see their own runs, and moderators see the runs of their server. Others see a run only in its
        channel, only if it isn't private, and only after any required approval.
        """
        run = await self._run(key)
        if run.requester_id == requester.person.id:
            return run
        if not await self.is_moderated(run, requester):
            self._check_seen_here(run, requester)
        return run

    async def source(self, key: str, requester: Requester) -> Run:
        """Return a run from which the requester may start a request of their own. Raises RefusedError.

        Somebody else's run is one only in its channel, where everybody sees its result.
        """
        run = await self._run(key)
        if run.requester_id != requester.person.id:
            self._check_seen_here(run, requester)
            hidden = self._age_marks.restricts(run, requester) and not requester.origin.age_restricted
            if run.deleted_at is not None or hidden:
                raise RefusedError("run_gone")
        return run

    async def _run(self, key: str) -> Run:
        run = await self._store.runs.get(key)
        if run is None:
            raise RefusedError("run_gone")
        return run

    def _check_seen_here(self, run: Run, requester: Requester) -> None:
        """Raise RefusedError unless everybody in the channel of this interaction may see the run."""
        origin = requester.origin
        if run.private or run.guild_id is None or run.guild_id != origin.guild_id:
            raise RefusedError("run_gone")
        if run.hidden_from_channel:  # also in the channel of its review card, where "gone" would be wrong
            raise RefusedError("details_hidden")
        if run.channel_id != origin.channel_id:
            raise RefusedError("run_gone")

    async def visible_batch(self, key: str, requester: Requester) -> Sequence[Run]:
        """Return the batch of a run that the requester may see. Raises RefusedError."""
        return await self._store.runs.batch(await self.visible(key, requester))

    async def is_moderated(self, run: Run, requester: Requester) -> bool:
        """Return whether the requester is a moderator of the run's server, and there now."""
        if run.guild_id is None or run.guild_id != requester.origin.guild_id:
            return False
        return requester.person.is_moderator(await self._store.rules.current(run.guild_id))

    async def result_messages(self, run: Run) -> Sequence[MessageRef]:
        """Return the messages that show the result of a run."""
        return await self._store.history.result_messages(run)

    async def parent_link(self, run: Run) -> str | None:
        """Return a link to the result that a run was made from, or None if it isn't shown in its channel."""
        return await self._store.history.parent_link(run)

    async def cancel(self, key: str, user_id: int, *, moderated: int | None = None) -> None:
        """Cancel a batch. Raises RefusedError if it has ended, or if this user may not cancel it.

        `moderated` is the channel of the interaction if the user may manage messages there. The key can be
        forged, but the channel of the interaction can't. The channel is compared because any user can have
        permissions in a server of their own, which must not extend to another server's runs.
        """
        run = await self._run(key)
        if run.requester_id != user_id:
            if moderated is None:
                raise RefusedError("cancel_not_yours" if run.guild_id is not None else "not_yours")
            if run.private or run.channel_id != moderated:
                raise RefusedError("run_gone")
        if not await self._store.runs.request_cancel(run.request_key, self._clock(), by=user_id):
            raise RefusedError("cancel_too_late")
        self._wakeups.check()
        self._wakeups.show()
        self._wakeups.submit()

    async def history(self, user_id: int, page: RunsPage) -> HistoryPage:
        """Return a page of a user's own runs, newest first."""
        store, cursor, run_filter = self._store.history, page.cursor, page.run_filter
        if page.direction is Direction.NEWER and cursor is not None:
            return await store.page_after(user_id, limit=PAGE_SIZE, run_filter=run_filter, after=cursor)
        return await store.page(user_id, limit=PAGE_SIZE, run_filter=run_filter, before=cursor)

    async def message_kinds(
        self, key: str, message: MessageRef, interaction_id: int | None, ids: Collection[int]
    ) -> frozenset[Kind] | None:
        """Return what a message is about if it belongs to the request of a run, otherwise an empty set.

        A status message counts as an outcome, which it becomes. `interaction_id` is the interaction that the
        message answers, since the id of a status message is stored only after users see it. A message whose
        post isn't confirmed yet is known by the `ids` of its components, and its own id is stored. Returns
        None if there is no such run.
        """
        found = await self._store.history.request_of(key)
        if found is None:
            return None
        messages, answer_id, answered = found
        if message.message_id == answer_id or (answered is not None and answered == interaction_id):
            return frozenset({Kind.OUTCOME})
        known = [
            each.kind
            for each in messages.values()
            if any(ref.message_id == message.message_id for ref in (*each.refs, *each.stale))
        ]
        for each in messages.values() if not known else ():
            if each.attempt is not None and marker(each, each.attempt.part) in ids:
                posted = replace(each.attempt.part, message_id=message.message_id)
                await self._store.messages.adopt(each.request_key, each.kind, each.number, posted)
                known.append(each.kind)
        return frozenset(known)

    async def deletions(self, run: Run) -> Deletions:
        """Return what was deleted of a run, to tell its requester."""
        return await self._store.history.deletions(run)

    async def queue(self, guild_id: int, page: int) -> tuple[Sequence[Run], bool]:
        """Return a page, counted from 0, of a server's unfinished runs, and whether more follow."""
        runs = await self._store.history.server_queue(guild_id, limit=PAGE_SIZE + 1, offset=page * PAGE_SIZE)
        return runs[:PAGE_SIZE], len(runs) > PAGE_SIZE

    async def usage(self, guild_id: int | None, requester: Member, target: Member | None) -> UsageView:
        """Return the usage of `target`, or the requester's own if it is None.

        Only moderators get the server's limits and the usage of other members. Raises RefusedError for
        anybody else who asks about another member. The default rules apply outside servers.
        """
        rules = await self._store.rules.get(guild_id)
        moderator = guild_id is not None and requester.is_moderator(rules)
        person = target or requester
        if person.id != requester.id and not moderator:
            raise RefusedError("not_a_moderator")
        return UsageView(
            user_id=person.id,
            own=person.id == requester.id,
            usage=await self._store.usage.today(guild_id, person.id, self._clock()),
            running=await self._store.usage.running(guild_id, person.id),
            limits=limits_of(person, rules),
            server=_server_limits(rules) if moderator else None,
        )

    async def redeliver(self, key: str, requester: Requester) -> Run:
        """Post an undelivered result in the requester's current channel, or raise RefusedError.

        This works only in the run's own server, since no other server's moderators have approved the result.
        Returns the run as it will be posted. If its `needs_interaction` is True, the caller has to send a
        placeholder.
        """
        run, origin = await self._postable(key, requester), requester.origin
        moved = replace(run, user_install=origin.user_install)
        # The interaction's answer, which is edited into the result, has to exist first.
        due_at = self._clock() + (_PLACEHOLDER_WAIT if moved.needs_interaction else timedelta())
        if not await self._store.messages.redeliver(run.request_key, origin, due_at):
            raise RefusedError("post_nothing")
        self._wakeups.show()
        return moved

    async def reopen(self, key: str, requester: Requester) -> Sequence[Run]:
        """Return the batch of the user's own private result, to show it to them once more."""
        run = await self._postable(key, requester)
        batch = await self._store.runs.batch(run)
        if not run.private or not any(each.is_shown and each.outputs for each in batch):
            raise RefusedError("open_nothing")
        return batch

    async def _postable(self, key: str, requester: Requester) -> Run:
        """Return the user's own run if its result may be shown in this channel. Raises RefusedError."""
        run, origin = await self._run(key), requester.origin
        if run.requester_id != requester.person.id:
            is_here = run.guild_id is not None and run.guild_id == origin.guild_id
            is_seen = is_here and not (run.private or run.hidden_from_channel)
            raise RefusedError("post_not_yours" if is_seen else "not_yours", person=run.requester_id)
        if run.guild_id != origin.guild_id:
            raise _other_server(run)
        usage = await self._store.usage.today(origin.guild_id, requester.person.id, self._clock())
        check_posting(origin, usage, self._operator)
        self._age_marks.check(run, requester)
        return run

    async def confirm_placeholder(self, key: str, message_id: int | None) -> None:
        """Store the message that is edited into a redelivered result."""
        await self._store.messages.confirm_placeholder(key, message_id, self._clock())
        self._wakeups.show()


def _server_limits(rules: ServerRules) -> Limits:
    server = rules.budgets.server
    return Limits(
        at_once=server.at_once,
        waiting=server.waiting,
        runs_a_day=server.runs_a_day,
        gpu_seconds_a_day=server.gpu_seconds_a_day,
    )


def _other_server(run: Run) -> RefusedError:
    if run.guild_id is None:
        return RefusedError("post_outside")
    return RefusedError("post_elsewhere", url=channel_url(run.guild_id, run.channel_id))
