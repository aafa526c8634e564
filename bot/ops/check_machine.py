"""Check this machine: the database, PUBLIC_URL and the picture checker."""

from __future__ import annotations

import os
from base64 import b64decode
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile

import aiohttp
from aiohttp import web
from sqlalchemy import Connection, inspect, text

from bot.comfydeploy.client import ComfyDeploy
from bot.comfydeploy.wire import WebhookSigner
from bot.config.settings import Settings, configured
from bot.database.schema import NEWEST, UNKNOWN, explained, is_known, schema_of
from bot.domain.errors import StartLater, StartupError, reason_of
from bot.domain.picture_check import THRESHOLD
from bot.media.picture_check import CheckFailed, PictureChecker
from bot.metrics import Metrics
from bot.ops.findings import Finding, ok, problem, warning
from bot.outside import Outside
from bot.store import Store
from bot.web import listening

PUBLIC_URL, DATABASE, PICTURES = "PUBLIC_URL", "Database", "Picture check"
# A grey square of 8 x 8 pixels, as PNG.
_GREY = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR42mNogAIGyhgAgIQgARDoahcAAAAASUVORK5CYII="
# The bot's answer to an authentic webhook that it can't read.
_UNREADABLE = 400
_FORGED = 403


async def inspect_database(store: Store) -> tuple[Finding, bool]:
    """Return the finding about the database, and whether the later checks can read it."""
    file = store.database.file
    if file is not None and not file.exists():
        folder = next(parent for parent in file.absolute().parents if parent.exists())
        try:
            # Root has every right, and still can't write everywhere.
            with TemporaryFile(dir=folder):
                pass
        except OSError:
            return problem(DATABASE, f"{folder} can't be written.", "Give the bot's user that right."), False
        return ok(DATABASE, f"SQLite; the first start makes {file}."), False
    try:
        with explained(store.database):
            version, server = await store.database.read(_versions)
    except StartupError as error:
        summary, _, remedy = str(error).partition(". ")
        passing = isinstance(error, StartLater)
        return problem(DATABASE, f"{summary}.", remedy, passing=passing), False
    if version is not None and not is_known(version):
        fault, remedy = UNKNOWN
        return problem(DATABASE, f"{server}: it {fault.format(version)}.", remedy), False
    if file is not None and not os.access(file, os.W_OK):
        return problem(DATABASE, f"{file} can't be written.", "Give the bot's user that right."), False
    if version == NEWEST:
        return ok(DATABASE, f"{server}, schema {version}, up to date."), True
    if version is None and await store.database.read(lambda found: bool(inspect(found).get_table_names())):
        remedy = "Give the bot a database of its own."
        return problem(DATABASE, f"{server}: it has tables of another program.", remedy), False
    state = "without tables" if version is None else f"schema {version}"
    return ok(DATABASE, f"{server}, {state}: the next start brings it up to date."), False


def _versions(connection: Connection) -> tuple[str | None, str]:
    """Return the database's schema, and the name of its server."""
    if connection.dialect.name == "sqlite":
        return schema_of(connection), "SQLite"
    return schema_of(connection), f"PostgreSQL {connection.scalar(text('SHOW server_version'))}"


async def check_public_url(
    settings: Settings, public_url: str, backend: ComfyDeploy, signer: WebhookSigner
) -> Finding:
    """Send a signed webhook to PUBLIC_URL that no backend would send, and a forged one.

    Only a bot with the same secret takes the first, and answers that it can't read it. This process answers
    meanwhile if the port is free.
    """
    reached: list[bool] = []

    async def answer(request: web.Request) -> web.Response:
        if not backend.is_webhook_authentic(**request.match_info):
            return web.Response(status=_FORGED)
        reached.append(True)
        return web.Response(status=_UNREADABLE)

    here = web.Application()
    for method, route in backend.webhooks:
        here.router.add_route(method, route, answer)
    taken = ""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(listening(here, settings.web_host, settings.web_port))
        except StartupError as error:
            taken = str(error)
        url = signer.url("check") or ""
        found = await send_webhook(public_url, url)
        forged = await send_webhook(public_url, "/forged/".join(url.rsplit("/check/", 1)))
    if isinstance(found, Finding):
        return found
    if found[0] == _UNREADABLE and not isinstance(forged, Finding) and forged[0] == _FORGED:
        answered_by = "this check" if reached else "the running bot"
        return ok(PUBLIC_URL, f"{public_url} leads here; {answered_by} answered.")
    return _unanswered(public_url, *found, taken=taken, port=settings.web_port)


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
        return problem(
            PUBLIC_URL, f"{public_url} can't be reached ({reason_of(error)}).", remedy, passing=True
        )


def _unanswered(public_url: str, status: int, location: str, *, taken: str, port: int) -> Finding:
    if 300 <= status < 400:
        remedy = "Set PUBLIC_URL to the final address, or let the proxy answer, not redirect."
        summary = f"{public_url} redirects ({status}) to {location}: webhooks would be lost."
        return problem(PUBLIC_URL, summary, remedy)
    if status == 403:
        remedy = "Set the same WEBHOOK_SECRET or DATABASE_URL here, or point PUBLIC_URL to this bot."
        return problem(PUBLIC_URL, f"{public_url} leads to a bot with another webhook secret.", remedy)
    if taken:
        return problem(PUBLIC_URL, f"{public_url} answers {status}, but it isn't the bot.", taken)
    remedy = f"Let the proxy or tunnel pass POST requests for /webhooks/comfydeploy/ on to port {port} here."
    return problem(PUBLIC_URL, f"{public_url} answers {status}, but not from here.", remedy)


async def check_pictures(settings: Settings, outside: Outside) -> Finding:
    metrics = Metrics(outside.monotonic)
    try:
        labels = configured(settings).picture_check.labels
    except StartupError as error:
        return problem(PICTURES, "; ".join(error.mistakes), "Correct deployments.toml.")
    with outside.executor("files", 1) as files, NamedTemporaryFile(suffix=".png") as picture:
        picture.write(b64decode(_GREY))
        picture.flush()
        checker = PictureChecker(settings, labels, outside, files, metrics)
        try:
            scores = await checker.ask(Path(picture.name), "image/png")
        except CheckFailed as error:
            passing = error.status is None or error.status >= 500
            return problem(PICTURES, f"{error}.", _remedy(error.status), passing=passing)
        finally:
            await checker.close()
    names, meaning = ", ".join(map(repr, [*scores][:20])), "[picture_check.labels] in deployments.toml"
    if scores and checker.names.keys().isdisjoint(scores):
        return problem(PICTURES, f"the bot knows none of its labels: {names}.", f"Map them by {meaning}.")
    if flags := [name for name in checker.names if scores.get(name, 0) >= THRESHOLD]:
        return warning(PICTURES, f"a grey square is {', '.join(flags)}.", f"Check its model, and {meaning}.")
    return ok(PICTURES, f"it doesn't flag a grey square ({names or 'no labels'}).")


def _remedy(status: int | None) -> str:
    if status is None:
        return "Check PICTURE_CHECK_URL, the network, and that the checker runs and isn't overloaded."
    if status in (401, 403):
        return "Set the same PICTURE_CHECK_SECRET for both, and let both systems keep their time."
    if status in (200, 404, 405) or 300 <= status < 400:
        return "Set PICTURE_CHECK_URL to the checker's own address, with its path, such as /check."
    return "Look at the checker's log."
