"""The audit log for moderators: its filters, pages and CSV file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.context import App
from bot.domain.errors import RefusedError
from bot.domain.moderation import AuditAction, AuditFilter, StoredEntry
from bot.domain.requests import Actor
from bot.domain.results import PAGE_SIZE
from bot.domain.text import escape_line
from bot.services.access import moderator
from bot.services.exports import BOM, ExportFile, csv_line

# The longest name of a deployment, which the custom_ids of the page buttons contain.
_NAME_LENGTH = 32
# These events belong to no server.
_WITHOUT_SERVER = frozenset({AuditAction.PAUSE, AuditAction.RESUME, AuditAction.PRIVACY})
SERVER_ACTIONS = tuple(action for action in AuditAction if action not in _WITHOUT_SERVER)


def checked(app: App, wanted: AuditFilter) -> AuditFilter:
    """Return the filter that the options of `/audit` stand for.

    Its deployment may be typed as a name or title, in any case. Another name is kept as it was typed, since
    the log may have entries of a deployment that isn't offered any more. Raises RefusedError for a range that
    holds nothing, and if no deployment can have that name.
    """
    if wanted.since and wanted.since <= wanted.until:
        raise RefusedError("record_range", since=wanted.since, until=wanted.until)
    text, offered = wanted.deployment.strip(), app.catalogue.all()
    names = {deployment.title.casefold(): deployment.name for deployment in reversed(offered)}
    names |= {deployment.name.casefold(): deployment.name for deployment in offered}
    found = names.get(text.casefold(), text)
    if len(found) > _NAME_LENGTH:
        raise RefusedError("record_no_deployment", name=escape_line(found, 60))
    return replace(wanted, deployment=found)


async def page(app: App, actor: Actor, audit_filter: AuditFilter, page: int) -> Sequence[StoredEntry]:
    """Return a page of the entries, counted from 0, plus one more entry if there is a next page."""
    server, audit = await moderator(app, actor), app.store.audit
    return await audit.page(server, audit_filter, app.now(), limit=PAGE_SIZE + 1, offset=page * PAGE_SIZE)


async def export(
    app: App,
    actor: Actor,
    audit_filter: AuditFilter,
    columns: Sequence[str],
    cells: Callable[[StoredEntry], Sequence[str]],
) -> ExportFile:
    """Return a file with a row of `cells` for each matching entry, newest first, as far as they fit."""
    server = await moderator(app, actor)
    file = ExportFile(BOM + csv_line(columns))
    async for entries in app.store.audit.export(server, audit_filter, app.now()):
        if not file.add(*(csv_line(cells(entry)) for entry in entries)):
            break
    return file
