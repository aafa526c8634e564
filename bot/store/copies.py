"""Post results again that requesters ask for: copies, and results that couldn't be delivered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from bot.database.engine import Repository, writes
from bot.database.row_locks import lock_batch, lock_run
from bot.database.rows import FRESH, messages_of, set_columns, want
from bot.database.tables import requests
from bot.domain.copies import CopyRequest, check_available, check_first_copy, copy_to_delete
from bot.domain.messages import MessageRef, Purpose
from bot.domain.moderation import AuditAction
from bot.domain.requests import Origin
from bot.store.audit import add_entries, run_entry
from bot.store.rules import read_rules


class CopyStore(Repository):
    @writes
    def request(self, connection: Connection, copy: CopyRequest, now: datetime) -> None:
        """Have a result copied. Raises RefusedError."""
        run = lock_run(connection, copy.key)
        # Checked under the lock, so that a deletion either prevents the copy or deletes it.
        check_available(run)
        found = messages_of(connection, run.request_key)
        check_first_copy(run, copy, found)
        before = found.get((copy.purpose, run.index))
        stale = (*before.stale, *before.refs) if before is not None else ()
        shown = {"channel_id": copy.shared_to or run.channel_id, "with_prompt": copy.with_prompt}
        values = {**FRESH, "stale": stale, "posted": (), **shown}
        want(connection, run.request_key, copy.purpose, run.index, now, values)

    @writes
    def delete(
        self, connection: Connection, key: str, message: MessageRef, user_id: int, now: datetime
    ) -> None:
        """Mark the copy with this message as deleted, and have it removed from Discord.

        A moderator's deletion replaces the requester's. Raises RefusedError if the copy was already deleted.
        """
        run = lock_run(connection, key)
        copy = copy_to_delete(run, message, messages_of(connection, run.request_key), user_id)
        want(connection, run.request_key, copy.purpose, run.index, now, {"deleted_by": user_id})
        channel = f"<#{message.channel_id}>"
        add_entries(connection, run_entry(run, AuditAction.DELETE_COPY, user_id, now, channel=channel))

    @writes
    def redeliver(self, connection: Connection, key: str, origin: Origin, due_at: datetime) -> bool:
        """Have a batch's offered results posted in the channel of `origin`; return False if there are none.

        The rules decide again whether the results are spoilers. Earlier messages with parts of the results
        are deleted later, and so is the status message that mentioned `/runs`. The server's id stays, because
        that server's budget paid for the result, and its moderators are responsible for it.
        """
        batch = lock_batch(connection, key)
        first, is_offered = batch[0], False
        left = {run.index for run in batch if run.deleted_at is None}
        for message in messages_of(connection, first.request_key).values():
            is_gone = message.purpose is Purpose.LATE and message.number not in left
            if is_gone or not message.offered or not left:
                continue
            is_offered, replaced = True, [*message.stale, *message.refs]
            if first.needs_interaction:
                # The bot can't delete what only an interaction can reach.
                replaced = [ref for ref in replaced if ref.channel_id != first.channel_id]
            elif first.status_message_id is not None:
                replaced.append(MessageRef(first.channel_id, first.status_message_id))
            stale = tuple(dict.fromkeys(replaced))
            moved = {**FRESH, "stale": stale, "posted": (), "channel_id": origin.channel_id}
            want(connection, message.request_key, message.purpose, message.number, due_at, moved)
        if not is_offered:
            return False
        restricted, rules = origin.channel_age_restricted, read_rules(connection, origin.guild_id)
        # The token is stored only if nothing else can show the result in the channel.
        by_interaction = origin.user_install or first.private
        columns: dict[str, object] = {
            "channel_id": origin.channel_id,
            "upload_limit": origin.upload_limit,
            "user_install": origin.user_install,
            "interaction_token": origin.interaction_token if by_interaction else None,
            "interaction_expires_at": origin.interaction_expires_at if by_interaction else None,
            "status_message_id": None,
            "spoiler": rules.is_spoiler(age_restricted=restricted),
        }
        if origin.user_install and restricted:
            columns["channel_age_restricted"] = True  # it can't be read later
        set_columns(connection, requests, {"key": first.request_key}, columns)
        return True
