"""Post results again that requesters ask for: copies, and results that couldn't be delivered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from bot.database.engine import Repository, reads, writes
from bot.database.row_locks import lock_batch, lock_run
from bot.database.rows import FRESH, messages_of, set_columns, want
from bot.database.tables import requests
from bot.domain.errors import RefusedError
from bot.domain.messages.records import Claim, Kind, Message, MessageRef
from bot.domain.moderation import AuditAction
from bot.domain.requests import Origin
from bot.domain.results import (
    CopyRequest,
    check_available,
    check_copy_stands,
    check_first_copy,
    copy_in,
    is_spoiler,
)
from bot.domain.runs import Run
from bot.store.audit import add_entries, run_entry
from bot.store.blocks import active_block
from bot.store.messages import lease
from bot.store.rules import read_rules


class CopyStore(Repository):
    """Copies and redeliveries. Every method raises StoreUnavailable if the database doesn't answer."""

    @writes
    def claim(
        self, connection: Connection, copy: CopyRequest, owner: str, now: datetime, until: datetime
    ) -> Claim | None:
        """Take the lease of a request to copy one of its results. Returns None while somebody else has it.

        The row exists before the copy, so that a deletion finds what a killed process has posted. If the
        copy isn't finished by `until`, the messenger deletes what it replaces. Raises RefusedError, or
        AlreadyPosted if the copy was posted before.
        """
        run = lock_run(connection, copy.key)
        # Checked under the lock, so that a deletion either prevents the copy or deletes it.
        check_available(run)
        taken = select(requests.c.lease_until).where(requests.c.key == run.request_key)
        leased_until = connection.execute(taken).scalar_one()
        if leased_until is not None and leased_until > now:
            return None
        found = messages_of(connection, run.request_key)
        check_first_copy(run, copy, found)
        before = found.get((copy.kind, run.index))
        values: dict[str, object] = {"channel_id": copy.shared_to or run.channel_id}
        if before is not None and before.attempt is None:
            values |= {"stale": (*before.stale, *before.refs), "posted": ()}
        values |= {**FRESH, "with_prompt": copy.with_prompt, "due_at": until}
        want(connection, run.request_key, copy.kind, run.index, now, values)
        return lease(connection, run.request_key, copy.kind, run.index, owner, until)

    @reads
    def check(self, connection: Connection, run: Run, copy: CopyRequest) -> None:
        """Raise RefusedError if the copy can't be requested now, or AlreadyPosted if it was posted before."""
        check_first_copy(run, copy, messages_of(connection, run.request_key))

    @reads
    def shared_in(self, connection: Connection, run: Run, channel_id: int) -> Message | None:
        """Return the copy of the run's result that everybody sees in a gallery channel, or None."""
        copy = messages_of(connection, run.request_key).get((Kind.SHARE, run.index))
        is_here = copy is not None and channel_id in {ref.channel_id for ref in copy.refs}
        return copy if copy is not None and is_here and copy.deleted_by is None else None

    @writes
    def delete(
        self, connection: Connection, key: str, message: MessageRef, user_id: int, now: datetime
    ) -> None:
        """Mark the copy with this message as deleted, and have it removed from Discord.

        The result and its other copies stay. A moderator's deletion replaces the requester's. Raises
        RefusedError if the copy was already deleted, or if the run doesn't exist any more.
        """
        run = lock_run(connection, key)
        copy = copy_in(run, message, messages_of(connection, run.request_key))
        if copy is None:
            raise RefusedError("already_deleted")
        check_copy_stands(run, copy, message, user_id)
        want(connection, run.request_key, copy.kind, run.index, now, {"deleted_by": user_id})
        channel = f"<#{message.channel_id}>"
        add_entries(connection, run_entry(run, AuditAction.DELETE_COPY, user_id, now, channel=channel))

    @writes
    def record(self, connection: Connection, claim: Claim, now: datetime, failed: str | None) -> None:
        """Record in the audit log that a copy was posted, or with which sentence it `failed`."""
        run, message = claim.run, claim.message
        action = AuditAction.SHARE if message.kind is Kind.SHARE else AuditAction.POST
        channel = f"<#{message.channel_id}>"
        entry = run_entry(run, action, run.requester_id, now, outcome=failed, channel=channel)
        add_entries(connection, entry)

    @reads
    def is_blocked(self, connection: Connection, run: Run, now: datetime) -> bool:
        """Return whether a moderator has blocked the requester on the run's server."""
        return active_block(connection, run.guild_id, run.requester_id, now) is not None

    @writes
    def redeliver(self, connection: Connection, key: str, origin: Origin, due_at: datetime) -> bool:
        """Have a batch's offered results posted in the channel of `origin`; return False if there are none.

        The server's rules decide again whether the results are spoilers. Earlier messages with parts of the
        results are deleted later, and so is the status message that mentioned `/runs`.
        """
        batch = lock_batch(connection, key)
        found = messages_of(connection, batch[0].request_key)
        left = {run.index for run in batch if run.deleted_at is None}
        offered = [
            each
            for each in found.values()
            if each.offered and left and (each.kind is Kind.OUTCOME or each.number in left)
        ]
        for message in offered:
            moved = {"stale": _replaced(message, batch[0]), "posted": (), "channel_id": origin.channel_id}
            want(connection, message.request_key, message.kind, message.number, due_at, {**FRESH, **moved})
        if not offered:
            return False
        rules = read_rules(connection, origin.guild_id)
        spoiler = is_spoiler(rules, age_restricted=origin.channel_age_restricted)
        columns = _destination_columns(origin, private=batch[0].private) | {"spoiler": spoiler}
        set_columns(connection, requests, {"key": batch[0].request_key}, columns)
        return True


def _replaced(message: Message, first: Run) -> tuple[MessageRef, ...]:
    """Return the Discord messages that a new post of a result replaces.

    Messages that only an interaction can reach are left out, because the bot can't delete them.
    """
    sent = [*message.stale, *message.refs]
    if first.needs_interaction:
        return tuple(ref for ref in sent if ref.channel_id != first.channel_id)
    if first.status_message_id is not None:
        sent.append(MessageRef(first.channel_id, first.status_message_id))
    return tuple(dict.fromkeys(sent))


def _destination_columns(origin: Origin, *, private: bool) -> dict[str, object]:
    """Return the columns that move an offered result to another channel.

    The channel of a user install can't be read later, so its mark is stored.

    The server's id stays the same, because that server's budget paid for the result, and its moderators are
    responsible for it. The token of the `/runs` interaction is stored only if nothing else can show the
    result in the channel. This is the case for a private result and for a user install.
    """
    by_interaction = origin.user_install or private
    marked = {"channel_age_restricted": True} if origin.user_install and origin.channel_age_restricted else {}
    token, expires = origin.interaction_token, origin.interaction_expires_at
    return {
        "channel_id": origin.channel_id,
        "upload_limit": origin.upload_limit,
        "user_install": origin.user_install,
        "interaction_token": token if by_interaction else None,
        "interaction_expires_at": expires if by_interaction else None,
        "status_message_id": None,
        **marked,
    }
