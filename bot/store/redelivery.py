"""Post offered results again, in the channel from which their requester asks for them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, update

from bot.database.engine import Database, writes
from bot.database.message_rows import FRESH, is_pending, read_messages, want
from bot.database.row_locks import lock_batch_if_any
from bot.database.rows import set_columns
from bot.database.tables import messages, requests
from bot.domain.messages.records import OUTCOMES, Kind, Message, MessageRef
from bot.domain.requests import Origin
from bot.domain.results import is_spoiler
from bot.domain.runs import Run
from bot.store.rules import read_rules


class RedeliveryStore:
    """Moves results to another channel. Methods raise StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def redeliver(self, connection: Connection, key: str, origin: Origin, due_at: datetime) -> bool:
        """Have a batch's offered results posted in the channel of `origin`; return False if there are none.

        The server's rules decide again whether the results are spoilers. Earlier messages with parts of the
        results are deleted later, and so is the status message that mentioned `/runs`.
        """
        batch = lock_batch_if_any(connection, key)
        found = read_messages(connection, [batch[0].request_key])[batch[0].request_key] if batch else {}
        offered = [each for each in found.values() if each.offered and _is_left(each, batch)]
        for message in offered:
            moved = {"stale": _replaced(message, batch[0]), "posted": [], "channel_id": origin.channel_id}
            want(connection, message.request_key, message.kind, message.number, due_at, {**FRESH, **moved})
        if not offered:
            return False
        spoiler = is_spoiler(read_rules(connection, origin.guild_id), age_restricted=origin.age_restricted)
        columns = _destination_columns(origin, private=batch[0].private) | {"spoiler": spoiler}
        set_columns(connection, requests, {"key": batch[0].request_key}, columns)
        return True

    @writes
    def confirm_placeholder(
        self, connection: Connection, key: str, message_id: int | None, now: datetime
    ) -> None:
        """Have the posted placeholder `message_id` edited into the redelivered result."""
        for run in lock_batch_if_any(connection, key)[:1]:
            set_columns(connection, requests, {"key": run.request_key}, {"status_message_id": message_id})
            own = (messages.c.request_key == run.request_key, messages.c.kind.in_(OUTCOMES), is_pending)
            connection.execute(update(messages).where(*own).values(due_at=now))


def _is_left(message: Message, batch: Collection[Run]) -> bool:
    """Return whether an outcome has a result that wasn't deleted."""
    of_all = message.kind is Kind.OUTCOME
    return any(run.deleted_at is None and (of_all or run.index == message.number) for run in batch)


def _replaced(message: Message, first: Run) -> list[MessageRef]:
    """Return the Discord messages that a new post of a result replaces.

    Messages that only an interaction can reach are left out, because the bot can't delete them.
    """
    sent = [*message.stale, *message.refs]
    if first.needs_interaction:
        return [ref for ref in sent if ref.channel_id != first.channel_id]
    if first.status_message_id is not None:
        sent.append(MessageRef(first.channel_id, first.status_message_id))
    return list(dict.fromkeys(sent))


def _destination_columns(origin: Origin, *, private: bool) -> dict[str, object]:
    """Return the columns that move an offered result to another channel.

    The channel of a user install can't be read later, so its mark is stored.

    The server's id stays the same, because that server's budget paid for the result, and its moderators are
    responsible for it. The token of the `/runs` interaction is stored only if nothing else can show the
    result in the channel. This is the case for a private result and for a user install.
    """
    by_interaction = origin.user_install or private
    marked = {"channel_age_restricted": True} if origin.user_install and origin.age_restricted else {}
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
