"""The audit log for moderators: its filters, pages and CSV file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from bot.context import App
from bot.deployments.inputs import OptionChoice
from bot.deployments.schema import CHOICES
from bot.domain.errors import RefusedError
from bot.domain.moderation import (
    OUTCOMES,
    AuditAction,
    AuditButton,
    AuditCursor,
    AuditFilter,
    AuditPage,
    StoredEntry,
)
from bot.domain.pages import PAGE_SIZE
from bot.domain.requests import Actor
from bot.domain.text import escape_line
from bot.services.access import moderator
from bot.services.exports import BOM, ExportFile, csv_line

# The longest name of a deployment, which the custom_ids of the page buttons contain.
_NAME_LENGTH = 32
# These events belong to no server.
_WITHOUT_SERVER = frozenset({AuditAction.PAUSE, AuditAction.RESUME, AuditAction.PRIVACY})
SERVER_ACTIONS = tuple(action for action in AuditAction if action not in _WITHOUT_SERVER)
E = TypeVar("E", bound=str)


def suggest_deployments(app: App, prefix: str) -> Sequence[OptionChoice]:
    """Return the deployments whose title or name contains the text, for autocomplete."""
    text = prefix.strip().casefold()
    return [
        OptionChoice(deployment.title, deployment.name)
        for deployment in app.catalogue.all()
        if text in deployment.title.casefold() or text in deployment.name.casefold()
    ][:CHOICES]


async def search(
    app: App,
    actor: Actor,
    *,
    subject: int | None,
    by: int | None,
    since: int | None,
    until: int | None,
    deployment: str | None,
    outcome: str | None,
    action: str | None,
) -> tuple[AuditPage, AuditFilter]:
    """Return the newest page for the options of `/audit`, and the filter for its buttons.

    `since` and `until` are days, counted back from now.
    """
    server = await moderator(app, actor)
    if since is not None and until is not None and since <= until:
        raise RefusedError("record_range", since=since, until=until)
    audit_filter = AuditFilter(
        subject=subject,
        actor=by,
        deployment=_deployment(app, deployment),
        outcome=_choice(OUTCOMES, outcome),
        action=_choice(SERVER_ACTIONS, action),
        since=_days_ago(app, since),
        until=_days_ago(app, until),
    )
    return await app.store.audit.page(server, audit_filter, PAGE_SIZE), audit_filter


async def turn(
    app: App, actor: Actor, audit_filter: AuditFilter, button: AuditButton, cursor: AuditCursor | None
) -> AuditPage:
    """Return the page for a button, or the newest page for a button without a cursor."""
    server = await moderator(app, actor)
    before, after = (None, cursor) if button is AuditButton.NEWER else (cursor, None)
    return await app.store.audit.page(server, audit_filter, PAGE_SIZE, before=before, after=after)


async def export(
    app: App,
    actor: Actor,
    audit_filter: AuditFilter,
    columns: Sequence[str],
    cells: Callable[[StoredEntry], Sequence[str]],
) -> ExportFile:
    """Return a file with a row for each matching entry, newest first, as far as they fit.

    `cells` returns the cells of a row.
    """
    server = await moderator(app, actor)
    file = ExportFile(BOM + csv_line(columns))
    async for entries in app.store.audit.export(server, audit_filter):
        if not file.add(*(csv_line(cells(entry)) for entry in entries)):
            break
    return file


def _deployment(app: App, typed: str | None) -> str | None:
    """Return the name of the deployment with this name or else this title, in any case.

    Another name is returned as it was typed, since the log may have entries of a deployment that isn't
    offered any more. Raises RefusedError if no deployment can have that name.
    """
    if typed is None:
        return None
    text, offered = typed.strip(), app.catalogue.all()
    names = {deployment.title.casefold(): deployment.name for deployment in reversed(offered)}
    names |= {deployment.name.casefold(): deployment.name for deployment in offered}
    found = names.get(text.casefold(), text)
    if len(found) > _NAME_LENGTH:
        raise RefusedError("record_no_deployment", name=escape_line(found, 60))
    return found


def _days_ago(app: App, days: int | None) -> datetime | None:
    # The custom_ids of the page buttons carry whole seconds.
    now = app.now().replace(microsecond=0)
    return now - timedelta(days=days) if days is not None else None


def _choice(choices: Sequence[E], value: str | None) -> E | None:
    """Return the choice with this value, or None for None. Raises RefusedError if no choice has this value,
    since Discord doesn't validate it.
    """
    found = next((choice for choice in choices if choice == value), None)
    if found is None and value is not None:
        raise RefusedError("list_stale", f"{value!r} is not one of the choices")
    return found
