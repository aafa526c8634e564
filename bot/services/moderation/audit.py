"""The audit log for moderators: its filters, pages and CSV file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from bot.deployments.catalogue import Catalogue
from bot.deployments.plain_kinds import CHOICES
from bot.deployments.shapes import OptionChoice
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
from bot.store.audit import AuditStore
from bot.store.rules import RuleStore

ROWS = 50_000
SIZE = 8 * 1024 * 1024
# The longest name of a deployment, which the custom_ids of the page buttons contain.
_NAME_LENGTH = 32
# These events belong to no server.
_WITHOUT_SERVER = frozenset({AuditAction.PAUSE, AuditAction.RESUME, AuditAction.PRIVACY})
SERVER_ACTIONS = tuple(action for action in AuditAction if action not in _WITHOUT_SERVER)
E = TypeVar("E", bound=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """The options of `/audit`. None matches everything, and days count back from now."""

    subject: int | None = None
    actor: int | None = None
    deployment: str | None = None
    outcome: str | None = None
    action: str | None = None
    since_days: int | None = None
    until_days: int | None = None


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
        self, guild_id: int | None, moderator: Member, query: AuditQuery
    ) -> tuple[AuditPage, AuditFilter]:
        """Return the newest page, and the filter for its buttons."""
        server = await self.check_moderator(guild_id, moderator)
        audit_filter = self._filter(query)
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
    ) -> CsvFile:
        """Return a file with a row for each matching entry, newest first, up to the file's limits.

        `cells` returns the cells of a row.
        """
        server = await self.check_moderator(guild_id, moderator)
        writer = CsvWriter(columns)
        async for entries in self._store.export(server, audit_filter):
            if not all(writer.add(cells(entry)) for entry in entries):
                break
        return writer.file()

    def title(self, deployment: str) -> str:
        """Return a deployment's title, or its name if it is no longer offered."""
        return self._catalogue.title(deployment)

    def _filter(self, query: AuditQuery) -> AuditFilter:
        since, until = query.since_days, query.until_days
        if since is not None and until is not None and since <= until:
            raise RefusedError("record_range", since=since, until=until)
        return AuditFilter(
            subject=query.subject,
            actor=query.actor,
            deployment=self._deployment(query.deployment),
            outcome=_choice(OUTCOMES, query.outcome),
            action=_choice(SERVER_ACTIONS, query.action),
            since=self._days_ago(since),
            until=self._days_ago(until),
        )

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


# Spreadsheets run a cell as a formula if it begins with one of these characters, also in full width.
_FORMULA = "=+@\uff1d\uff0b\uff0d\uff20-"
# In many languages, Excel separates cells at semicolons. A quote that doesn't follow one opens nothing, so
# semicolons and line breaks in a text begin cells. Blanks and quotes may precede the formula.
_BEGINS_CELL = frozenset(";|\t\r\n")
_GAP = r"[;|\s\x00-\x1f\"]"
_BEFORE_FORMULA = re.compile(rf"(?<!{_GAP}){_GAP}+(?=[{_FORMULA}])")
_BOM = "\ufeff".encode()  # Excel reads UTF-8 only with a byte order mark


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file in UTF-8. `cut` means that it is incomplete."""

    data: bytes
    rows: int
    cut: bool


class CsvWriter:
    """Collects rows until `rows` or `size` (in bytes) is reached."""

    def __init__(self, columns: Sequence[str], *, rows: int = ROWS, size: int = SIZE) -> None:
        self._rows = rows
        self._size = size
        self._data = bytearray(_BOM + _row(columns))
        self._count = 0
        self._cut = False

    def add(self, cells: Sequence[str]) -> bool:
        """Add a row, or return False if the file is full. Once it is full, every later row is refused."""
        row = _row([_without_formulas(cell) for cell in cells])
        if self._cut or self._count >= self._rows or len(self._data) + len(row) > self._size:
            self._cut = True
            return False
        self._data += row
        self._count += 1
        return True

    def file(self) -> CsvFile:
        return CsvFile(bytes(self._data), self._count, self._cut)


def _without_formulas(cell: str) -> str:
    """Put an apostrophe before each formula, wherever a program may begin a cell."""
    return _BEFORE_FORMULA.sub(_marked, f"\n{cell}")[1:]


def _marked(gap: re.Match[str]) -> str:
    return gap[0] if _BEGINS_CELL.isdisjoint(gap[0]) else f"{gap[0]}'"


def _row(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(cells)
    # Text from Discord may contain lone surrogates.
    return text.getvalue().encode("utf-8", "replace")
