"""The audit log for moderators: its filters, pages and CSV file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from bot.deployments.catalogue import Catalogue
from bot.deployments.kinds.base import OptionChoice
from bot.deployments.schema import CHOICES
from bot.domain.access import check_moderator
from bot.domain.errors import RefusedError
from bot.domain.moderation.audit import (
    OUTCOMES,
    AuditAction,
    AuditButton,
    AuditCursor,
    AuditFilter,
    AuditPage,
    StoredEntry,
)
from bot.domain.pages import PAGE_SIZE
from bot.domain.requests import Member
from bot.domain.text import escape_line
from bot.services.exports import BOM, ExportFile, csv_line
from bot.store.audit import AuditStore
from bot.store.rules import RuleStore

# The longest name of a deployment, which the custom_ids of the page buttons contain.
_NAME_LENGTH = 32
# These events belong to no server.
_WITHOUT_SERVER = frozenset({AuditAction.PAUSE, AuditAction.RESUME, AuditAction.PRIVACY})
SERVER_ACTIONS = tuple(action for action in AuditAction if action not in _WITHOUT_SERVER)
E = TypeVar("E", bound=str)


class AuditService:
    """Reads a server's audit log. Methods raise RefusedError for users who aren't its moderators, and
    StoreUnavailable if the database is unreachable.
    """

    def __init__(
        self, store: AuditStore, rules: RuleStore, catalogue: Catalogue, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._rules = rules
        self._catalogue = catalogue
        self._clock = clock

    async def check_moderator(self, guild_id: int | None, moderator: Member) -> int:
        """Return the server's id. Raises RefusedError outside servers and for users who aren't moderators."""
        return check_moderator(guild_id, moderator, await self._rules.get(guild_id))

    def suggest_deployments(self, prefix: str) -> Sequence[OptionChoice]:
        """Return the deployments whose title or name contains the text, for autocomplete."""
        text = prefix.strip().casefold()
        return [
            OptionChoice(deployment.title, deployment.name)
            for deployment in self._catalogue.all()
            if text in deployment.title.casefold() or text in deployment.name.casefold()
        ][:CHOICES]

    async def search(
        self,
        guild_id: int | None,
        moderator: Member,
        *,
        since: int | None,
        until: int | None,
        deployment: str | None,
        outcome: str | None,
        action: str | None,
        **people: int | None,
    ) -> tuple[AuditPage, AuditFilter]:
        """Return the newest page for the options of `/audit`, and the filter for its buttons.

        `since` and `until` are days, counted back from now.
        """
        server = await self.check_moderator(guild_id, moderator)
        if since is not None and until is not None and since <= until:
            raise RefusedError("record_range", since=since, until=until)
        audit_filter = AuditFilter(
            **people,
            deployment=self._deployment(deployment),
            outcome=_choice(OUTCOMES, outcome),
            action=_choice(SERVER_ACTIONS, action),
            since=self._days_ago(since),
            until=self._days_ago(until),
        )
        return await self._store.page(server, audit_filter, PAGE_SIZE), audit_filter

    async def turn(
        self,
        guild_id: int | None,
        moderator: Member,
        audit_filter: AuditFilter,
        button: AuditButton,
        cursor: AuditCursor | None,
    ) -> AuditPage:
        """Return the page for a button, or the newest page for a button without a cursor."""
        server = await self.check_moderator(guild_id, moderator)
        if button is AuditButton.NEWER and cursor is not None:
            return await self._store.page_after(server, audit_filter, PAGE_SIZE, cursor)
        return await self._store.page(server, audit_filter, PAGE_SIZE, before=cursor)

    async def export(
        self,
        guild_id: int | None,
        moderator: Member,
        audit_filter: AuditFilter,
        columns: Sequence[str],
        cells: Callable[[StoredEntry], Sequence[str]],
    ) -> ExportFile:
        """Return a file with a row for each matching entry, newest first, as far as they fit.

        `cells` returns the cells of a row.
        """
        server = await self.check_moderator(guild_id, moderator)
        file = ExportFile(BOM + csv_line(columns))
        async for entries in self._store.export(server, audit_filter):
            if not file.add(*(csv_line(cells(entry)) for entry in entries)):
                break
        return file

    def title(self, deployment: str) -> str:
        """Return a deployment's title, or its name if it is no longer offered."""
        return self._catalogue.title(deployment)

    def _deployment(self, typed: str | None) -> str | None:
        """Return the name of the deployment with this name or else this title, in any case.

        Another name is returned as it was typed, since the log may have entries of a deployment that isn't
        offered any more. Raises RefusedError if no deployment can have that name.
        """
        if typed is None:
            return None
        text, offered = typed.strip(), self._catalogue.all()
        names = {deployment.title.casefold(): deployment.name for deployment in reversed(offered)}
        names |= {deployment.name.casefold(): deployment.name for deployment in offered}
        found = names.get(text.casefold(), text)
        if len(found) > _NAME_LENGTH:
            raise RefusedError("record_no_deployment", name=escape_line(found, 60))
        return found

    def _days_ago(self, days: int | None) -> datetime | None:
        # The custom_ids of the page buttons carry whole seconds.
        now = self._clock().replace(microsecond=0)
        return now - timedelta(days=days) if days is not None else None


def _choice(choices: Sequence[E], value: str | None) -> E | None:
    """Return the choice with this value, or None for None. Raises RefusedError if no choice has this value,
    since Discord doesn't validate it.
    """
    found = next((choice for choice in choices if choice == value), None)
    if found is None and value is not None:
        raise RefusedError("list_stale", f"{value!r} is not one of the choices")
    return found
