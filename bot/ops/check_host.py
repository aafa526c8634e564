"""Check this machine: PUBLIC_URL, ports, clock, database and temporary files."""

from __future__ import annotations

import errno
import os
import shutil
import string
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from sqlalchemy import Connection, text
from yarl import URL

from bot.comfydeploy.client import ping_route
from bot.comfydeploy.webhook_urls import WebhookSigner
from bot.config.settings import Settings
from bot.database.schema import describe_unknown, known_schemas, schema_of
from bot.domain.errors import StartupError, StoreUnavailable
from bot.media.temporary_files import require_temporary_folder
from bot.metrics import PREFIX
from bot.metrics_page import METRICS_PATH
from bot.ops.findings import Finding, ok, problem, warning
from bot.store import Store
from bot.web import HEALTHY, listening, port_remedy
from bot.workers.webhook import read_body

PUBLIC_URL = "PUBLIC_URL"
_LETTERS = string.ascii_lowercase + string.digits
# ComfyDeploy follows these redirects with a GET without the body, and counts a 200 to that as delivered.
_BODY_LOST = (301, 302, 303)
_BODY_KEPT = (307, 308)
_PROXY_ANSWERS = (404, 502, 503, 504, 530)
_ELSEWHERE = (
    "Where the bot's own machine can't reach its public address, run the check elsewhere with the same .env."
)


@dataclass(slots=True)
class PingEndpoint:
    """This process's ping endpoint. `served` is False if the port is taken, presumably by the running bot.

    `reached` becomes True when a ping arrives here.
    """

    served: bool = False
    reached: bool = False

    def mark_reached(self) -> None:
        self.reached = True


@asynccontextmanager
async def ping_endpoint(signer: WebhookSigner, host: str, port: int) -> AsyncIterator[PingEndpoint]:
    """Serve pings inside the block if the port is free."""
    local = PingEndpoint()
    app = web.Application()
    app.router.add_routes([ping_route(signer, read_body, local.mark_reached)])
    async with AsyncExitStack() as stack:
        with suppress(StartupError):
            await stack.enter_async_context(listening(app, host, port))
            local.served = True
        yield local


async def check_public_url(
    signer: WebhookSigner, public_url: str, local: PingEndpoint, port: int, random: Random
) -> Finding:
    """Call PUBLIC_URL with a signed ping, which only a bot with the same secret can answer."""
    nonce = "".join(random.choices(_LETTERS, k=24))
    body = random.randbytes(4096)
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
            session.post(signer.ping_url(public_url, nonce), data=body, allow_redirects=False) as answer,
        ):
            text = await answer.content.read(100)
            status, location = answer.status, answer.headers.get("Location", "")
    except aiohttp.ClientConnectorCertificateError:
        remedy = "Renew it, or let the proxy fetch one: ComfyDeploy refuses what a browser would refuse."
        return problem(PUBLIC_URL, f"{public_url} has no valid certificate.", remedy)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        remedy = f"Check the name, the proxy or tunnel, and the firewall. {_ELSEWHERE}"
        return problem(PUBLIC_URL, f"{public_url} can't be reached ({type(error).__name__}).", remedy)
    if text.decode(errors="replace") == signer.pong(nonce, body) and status == 200:
        answered_by = "this check" if local.reached else "the running bot"
        return ok(PUBLIC_URL, f"{public_url} leads here; {answered_by} answered.")
    return _unanswered(public_url, status, location, served=local.served, port=port)


def _unanswered(public_url: str, status: int, location: str, *, served: bool, port: int) -> Finding:
    if status in _BODY_LOST or status in _BODY_KEPT:
        return _redirected(public_url, status, location)
    if status == 403:
        remedy = "Set the same WEBHOOK_SECRET or DATABASE_URL here, or point PUBLIC_URL to this bot."
        return problem(PUBLIC_URL, f"{public_url} leads to a bot with another webhook secret.", remedy)
    if not served:
        summary = (
            f"{public_url} answers {status}, and port {port} is taken by something that is not this bot."
        )
        return problem(PUBLIC_URL, summary, "Stop what uses the port, or set WEB_PORT to another.")
    summary = f"{public_url} answers {status}, but not from here."
    if status in _PROXY_ANSWERS:
        remedy = f"Let the proxy or tunnel pass /webhooks/comfydeploy/ on to port {port} of this machine."
        return problem(PUBLIC_URL, summary, remedy)
    return problem(
        PUBLIC_URL, summary, f"Something else answers there: let it pass POST requests on to port {port}."
    )


def _redirected(public_url: str, status: int, location: str) -> Finding:
    target = _base(location, public_url)
    remedy = (
        f"Set PUBLIC_URL to {target}, if that is the bot."
        if target
        else "Let the proxy answer, not redirect."
    )
    if status in _BODY_LOST:
        summary = f"{public_url} redirects ({status}): every webhook would be lost."
        return problem(PUBLIC_URL, summary, remedy)
    return warning(PUBLIC_URL, f"{public_url} redirects ({status}): each webhook makes two calls.", remedy)


def _base(location: str, public_url: str) -> str:
    """Return PUBLIC_URL with the scheme and host of a redirect's `location`.

    Returns an empty string if neither differs, or if `location` isn't an absolute HTTP address.
    """
    try:
        old, new = urlsplit(public_url), urlsplit(location)
    except ValueError:
        return ""
    if (
        new.scheme not in ("http", "https")
        or not new.netloc
        or (new.scheme, new.netloc) == (old.scheme, old.netloc)
    ):
        return ""
    return f"{new.scheme}://{new.netloc}{old.path}"


WEB_SERVER = "Web server"
# The IP address to call if the server listens on all interfaces.
_LOOPBACK_FOR = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # this opens no port


async def check_ports(settings: Settings) -> AsyncIterator[Finding]:
    """Yield a finding for each port that the bot opens."""
    host = settings.web_host
    yield await _port(host, settings.web_port, "WEB_PORT", _is_healthy)
    if settings.metrics_port is not None:
        token = settings.metrics_token
        shown = partial(_has_metrics, token=token.get_secret_value() if token is not None else None)
        yield await _port(host, settings.metrics_port, "METRICS_PORT", shown)


async def _port(host: str, port: int, setting: str, is_bot: Callable[[URL], Awaitable[bool]]) -> Finding:
    """Check whether the port is free or in use by a bot.

    Only the check of PUBLIC_URL shows whether it is this bot.
    """
    where = f"{setting} {port} on {host}"
    try:
        async with listening(web.Application(), host, port, setting=setting):
            return ok(WEB_SERVER, f"{where} is free.")
    except StartupError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError):
            raise
        if cause.errno == errno.EADDRINUSE:
            if await is_bot(URL.build(scheme="http", host=_LOOPBACK_FOR.get(host, host), port=port)):
                return ok(WEB_SERVER, f"{where} is in use, as while the bot runs.")
            summary = f"{where} is in use by something that doesn't answer as the bot does."
            return warning(WEB_SERVER, summary, port_remedy(cause, setting))
        summary = f"{where} can't be used ({cause.strerror})."
        return problem(WEB_SERVER, summary, port_remedy(cause, setting))


async def _is_healthy(base: URL) -> bool:
    """Return whether `/healthz` answers as the bot's server does."""
    return await _get(base.with_path("/healthz"), {}, 100) == HEALTHY.encode()


async def _has_metrics(base: URL, *, token: str | None) -> bool:
    """Return whether the port serves the bot's metrics to a caller with this token."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return f"{PREFIX}_".encode() in await _get(base.with_path(METRICS_PATH), headers, 64 * 1024)


async def _get(url: URL, headers: Mapping[str, str], limit: int) -> bytes:
    """Return the start of a page, or nothing if it can't be read."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            return await answer.content.read(limit) if answer.status == 200 else b""
    except (aiohttp.ClientError, TimeoutError, OSError):
        return b""


CLOCK = "Clock"
# A Date header has whole seconds, and it took some time to arrive.
_TOLERATED, _HARMFUL = 5.0, 60.0
_CLOCK_REMEDY = "Let the system keep its time: timedatectl set-ntp true."


def compare_clock(date: str | None, now: datetime) -> Finding | None:
    """Compare the clock with a Date header that just arrived. Return None if there is no valid header."""
    try:
        server_time = parsedate_to_datetime(date or "")
        ahead = (now - server_time).total_seconds()
    except (TypeError, ValueError):
        return None
    if abs(ahead) < _TOLERATED:
        return ok(CLOCK, "it agrees with Discord's.")
    summary = f"it is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} Discord's."
    if abs(ahead) < _HARMFUL:
        return warning(CLOCK, summary, _CLOCK_REMEDY)
    return problem(CLOCK, f"{summary} Deadlines, budgets and interactions depend on it.", _CLOCK_REMEDY)


DATABASE = "Database"


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What the check found out about the database. The later checks read it only if it is `usable`: it has
    this version's schema and, if it is a file, can be written.
    """

    finding: Finding
    usable: bool = False


async def inspect_database(store: Store) -> DatabaseState:
    file = store.database.file
    if file is not None and not file.exists():
        return DatabaseState(_new_file(file))
    try:
        version = await store.database.read(schema_of)
        server = "SQLite" if store.database.is_sqlite else await store.database.read(_server)
    except (StoreUnavailable, OSError) as error:
        summary = f"it can't be opened ({error})."
        return DatabaseState(
            problem(DATABASE, summary, "Check DATABASE_URL, that the server runs, and its rights.")
        )
    if version is not None and version not in known_schemas():
        fault, remedy = describe_unknown(version)
        return DatabaseState(problem(DATABASE, f"{server}: it {fault}.", remedy))
    if file is not None and not os.access(file, os.W_OK):
        return DatabaseState(
            problem(DATABASE, f"{file} can't be written.", "Give the bot's user that right.")
        )
    if version == known_schemas()[0]:
        return DatabaseState(ok(DATABASE, f"{server}, schema {version}, up to date."), usable=True)
    state = "without tables" if version is None else f"schema {version}"
    return DatabaseState(ok(DATABASE, f"{server}, {state}: the next start brings it up to date."))


def _server(connection: Connection) -> str:
    return f"PostgreSQL {connection.scalar(text('SHOW server_version'))}"


def _new_file(file: Path) -> Finding:
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return problem(DATABASE, f"{folder} can't be written.", "Give the bot's user that right.")
    return ok(DATABASE, f"SQLite; the first start makes {file}.")


TEMPORARY_FILES = "Temporary files"


def check_temporary_folder() -> Finding:
    try:
        require_temporary_folder()
    except StartupError:
        remedy = "Let the bot write to /tmp (in a container: --tmpfs /tmp), or name another in TMPDIR."
        return problem(TEMPORARY_FILES, "no folder can be written, and results pass through one.", remedy)
    folder = tempfile.gettempdir()
    return ok(
        TEMPORARY_FILES,
        f"{folder} can be written; {shutil.disk_usage(folder).free // 1024**2:,} MiB are free.",
    )
