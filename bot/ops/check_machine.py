"""Check this machine: the database, temporary files, ports, and PUBLIC_URL."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp
from aiohttp import web
from sqlalchemy import Connection, text
from yarl import URL

from bot.config.fields import Role
from bot.database.schema import describe_unknown, known_schemas, schema_of
from bot.domain.errors import StartupError, StoreUnavailable
from bot.media.download import require_temporary_folder
from bot.ops.findings import Finding, Setup, ok, problem, warning
from bot.store import Store
from bot.web import HEALTHY, listening, port_remedy

PUBLIC_URL, WEB_SERVER, DATABASE, TEMPORARY_FILES = "PUBLIC_URL", "Web server", "Database", "Temporary files"
# The bot's answer to an authentic webhook that it can't read.
_UNREADABLE = 400
# The IP address to call if the server listens on all interfaces.
_LOOPBACK_FOR = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # this opens no port


async def inspect_database(store: Store) -> tuple[Finding, bool]:
    """Return the finding about the database, and whether the later checks can read it.

    They can if it has this version's schema and, if it is a file, can be written.
    """
    file = store.database.file
    if file is not None and not file.exists():
        return _new_file(file), False
    try:
        version = await store.database.read(schema_of)
        server = "SQLite" if store.database.is_sqlite else await store.database.read(_server)
    except (StoreUnavailable, OSError) as error:
        remedy = "Check DATABASE_URL, that the server runs, and its rights."
        return problem(DATABASE, f"it can't be opened ({error}).", remedy), False
    if version is not None and version not in known_schemas():
        fault, remedy = describe_unknown(version)
        return problem(DATABASE, f"{server}: it {fault}.", remedy), False
    if file is not None and not os.access(file, os.W_OK):
        return problem(DATABASE, f"{file} can't be written.", "Give the bot's user that right."), False
    if version == known_schemas()[0]:
        return ok(DATABASE, f"{server}, schema {version}, up to date."), True
    state = "without tables" if version is None else f"schema {version}"
    return ok(DATABASE, f"{server}, {state}: the next start brings it up to date."), False


def _server(connection: Connection) -> str:
    return f"PostgreSQL {connection.scalar(text('SHOW server_version'))}"


def _new_file(file: Path) -> Finding:
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return problem(DATABASE, f"{folder} can't be written.", "Give the bot's user that right.")
    return ok(DATABASE, f"SQLite; the first start makes {file}.")


async def check_temporary_folder(setup: Setup) -> AsyncIterator[Finding]:
    if Role.MESSENGER in setup.settings.roles:
        yield inspect_temporary_folder()


def inspect_temporary_folder() -> Finding:
    try:
        require_temporary_folder()
    except StartupError:
        remedy = "Let the bot write to /tmp (in a container: --tmpfs /tmp), or name another in TMPDIR."
        return problem(TEMPORARY_FILES, "no folder can be written, and results pass through one.", remedy)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free // 1024**2
    return ok(TEMPORARY_FILES, f"{folder} can be written; {free:,} MiB are free.")


async def check_ports(setup: Setup) -> AsyncIterator[Finding]:
    """Yield a finding for each port that the bot opens, which is free or in use by a bot.

    Only the check of PUBLIC_URL shows whether it is this bot.
    """
    settings = setup.settings
    ports = {"WEB_PORT": settings.web_port, "METRICS_PORT": settings.metrics_port}
    for setting, port in ports.items():
        if port is None:
            continue
        where = f"{setting} {port} on {settings.web_host}"
        try:
            async with listening(web.Application(), settings.web_host, port, setting=setting):
                yield ok(WEB_SERVER, f"{where} is free.")
        except StartupError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError):
                raise
            if cause.errno != errno.EADDRINUSE:
                setup.ports_usable = False
                summary = f"{where} can't be used ({cause.strerror})."
                yield problem(WEB_SERVER, summary, port_remedy(cause, setting))
            elif setting == "WEB_PORT" and not await _is_bot(settings.web_host, port):
                summary = f"{where} is in use by something that doesn't answer as the bot does."
                yield warning(WEB_SERVER, summary, port_remedy(cause, setting))
            else:
                yield ok(WEB_SERVER, f"{where} is in use, as while the bot runs.")


async def _is_bot(host: str, port: int) -> bool:
    url = URL.build(scheme="http", host=_LOOPBACK_FOR.get(host, host), port=port, path="/healthz")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return await answer.content.read(100) == HEALTHY.encode()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


async def check_public_url(setup: Setup) -> AsyncIterator[Finding]:
    """Send a signed webhook to PUBLIC_URL that no backend would send.

    Only a bot with the same secret takes it, and answers that it can't read it. This process answers
    meanwhile if the port is free.
    """
    settings = setup.settings
    if settings.public_url is None or Role.WEB not in settings.roles or not setup.ports_usable:
        return
    reached: list[bool] = []

    async def answer(request: web.Request) -> web.Response:
        if not setup.backend.is_webhook_authentic(**request.match_info):
            return web.Response(status=403)
        reached.append(True)
        return web.Response(status=_UNREADABLE)

    here = web.Application()
    for method, route in setup.backend.webhooks:
        here.router.add_route(method, route, answer)
    served = False
    async with AsyncExitStack() as stack:
        with suppress(StartupError):
            await stack.enter_async_context(listening(here, settings.web_host, settings.web_port))
            served = True
        found = await send_webhook(settings.public_url, setup.signer.url("check") or "")
    if isinstance(found, Finding):
        yield found
    elif found[0] == _UNREADABLE:
        answered_by = "this check" if reached else "the running bot"
        yield ok(PUBLIC_URL, f"{settings.public_url} leads here; {answered_by} answered.")
    else:
        yield _unanswered(settings.public_url, *found, served=served, port=settings.web_port)


async def send_webhook(public_url: str, url: str) -> Finding | tuple[int, str]:
    """Return the status and Location of the answer to a webhook, or a finding if there is none."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
            session.post(url, data=b"a check", allow_redirects=False) as answer,
        ):
            return answer.status, answer.headers.get("Location", "")
    except aiohttp.ClientConnectorCertificateError:
        remedy = "Renew it, or let the proxy fetch one: ComfyDeploy refuses what a browser would refuse."
        return problem(PUBLIC_URL, f"{public_url} has no valid certificate.", remedy)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        remedy = (
            "Check the name, the proxy or tunnel, and the firewall. Where the bot's own machine can't reach "
            "its public address, run the check elsewhere with the same .env."
        )
        return problem(PUBLIC_URL, f"{public_url} can't be reached ({type(error).__name__}).", remedy)


def _unanswered(public_url: str, status: int, location: str, *, served: bool, port: int) -> Finding:
    if 300 <= status < 400:
        remedy = "Set PUBLIC_URL to the final address, or let the proxy answer, not redirect."
        summary = f"{public_url} redirects ({status}) to {location}: webhooks would be lost."
        return problem(PUBLIC_URL, summary, remedy)
    if status == 403:
        remedy = "Set the same WEBHOOK_SECRET or DATABASE_URL here, or point PUBLIC_URL to this bot."
        return problem(PUBLIC_URL, f"{public_url} leads to a bot with another webhook secret.", remedy)
    if not served:
        summary = (
            f"{public_url} answers {status}, and port {port} is taken by something that is not this bot."
        )
        return problem(PUBLIC_URL, summary, "Stop what uses the port, or set WEB_PORT to another.")
    remedy = f"Let the proxy or tunnel pass POST requests for /webhooks/comfydeploy/ on to port {port} here."
    return problem(PUBLIC_URL, f"{public_url} answers {status}, but not from here.", remedy)
