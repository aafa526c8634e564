"""`python -m bot check`: check the settings and the network, then the services that can be asked."""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode, urlsafe_b64decode
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryFile, gettempdir
from typing import TextIO
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from sqlalchemy import Connection, inspect, text

from bot import __version__
from bot.comfydeploy.client import ComfyDeploy, open_session
from bot.comfydeploy.wire import WebhookSigner
from bot.config.fields import CALLING_ROLES, Role
from bot.config.logs import Redactor
from bot.config.settings import DEFAULT_DEPLOYMENTS_FILE, Settings, configured
from bot.database.schema import NEWEST, explained, fault_of, schema_of
from bot.deployments.catalogue import Catalogue
from bot.deployments.schema import DeploymentSettings
from bot.domain.errors import StartLater, StartupError, reason_of
from bot.domain.picture_check import THRESHOLD
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.effects import Effects
from bot.media.picture_check import CheckFailed, PictureChecker
from bot.metrics import Metrics
from bot.ops.backups import counted
from bot.ops.check_services import (
    DEPLOYMENT,
    Finding,
    Level,
    check_deployments,
    check_discord,
    check_key,
    ok,
    problem,
    warning,
)
from bot.store import Store
from bot.web import listening

SETTINGS = "Settings"
REMEDY = "Set it in .env or the environment; the project's docs/configuration.md explains each setting."
PUBLIC_URL, DATABASE, PICTURES, DISK = "PUBLIC_URL", "Database", "Picture check", "Disk"
# A request with one run takes 3.4 kB of SQLite, so 1,000 with several runs fit into `_DAY_BYTES`. A busy bot
# writes less in a day than the database's size divided by `_DAYS`. Results are on their way to Discord.
MB = 1000 * 1000
_DAY_BYTES, _DAYS, _RESULTS_BYTES = 10 * MB, 30, 100 * MB
# A grey square of 8 x 8 pixels, as PNG.
_GREY = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR42mNogAIGyhgAgIQgARDoahcAAAAASUVORK5CYII="
# The bot's reply to an authentic webhook that it can't read.
_UNREADABLE = 400
_FORGED = 403
_OWN_API = "https://api.comfydeploy.com/api"


def token_fault(token: str) -> str | None:
    """Return what is wrong with the format of a bot token, or None. It begins with the application's id."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        return "doesn't look like a bot token: it should have three parts, joined by dots"
    if token.startswith("eyJ"):
        return "looks like a ComfyDeploy key"
    try:
        is_id = urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)).isdigit()
    except ValueError:
        is_id = False
    return None if is_id else "doesn't look like a bot token, which begins with the application's id"


def key_fault(key: str, api_url: str) -> str | None:
    """Return what is wrong with the format of an API key, or None. A self-hosted server has other keys."""
    if api_url != _OWN_API or key.startswith("eyJ"):
        return None
    if token_fault(key) is None:
        return "looks like a Discord token"
    return "doesn't look like a ComfyDeploy key, which begins with eyJ"


def names_in(mistakes: Sequence[str]) -> frozenset[str]:
    """Return the wrong settings, with which the sentences begin. Their defaults are nothing to talk about."""
    return frozenset(found[0] for sentence in mistakes if (found := re.match("[A-Z_]+", sentence)))


def check_settings(settings: Settings, mistakes: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each mistake, and a warning for what is unlikely or has an unlikely format."""
    warnings = [each for each in settings.warnings() if not names_in([each]) & names_in(mistakes)]
    for tell, sentences in ((problem, mistakes), (warning, warnings)):
        for each in sentences:
            # What is said about a file or a wrong name says what to do.
            is_told = each.startswith((".", "Line ")) or "not a setting of this bot" in each
            yield tell(SETTINGS, each, "" if is_told else REMEDY)
    token, key = (each.get_secret_value() for each in (settings.discord_token, settings.comfydeploy_api_key))
    if token and (fault := token_fault(token)):
        yield warning(SETTINGS, f"DISCORD_TOKEN {fault}.", "Copy it again: Bot > Reset Token.")
    if key and (fault := key_fault(key, settings.comfydeploy_api_url)):
        yield warning(SETTINGS, f"COMFYDEPLOY_API_KEY {fault}.", "Copy it from ComfyDeploy's dashboard.")
    if (folder := settings.backup_dir) is not None and not os.access(folder, os.W_OK | os.X_OK):
        summary = f"BACKUP_DIR: {folder} is missing or can't be written."
        yield problem(SETTINGS, summary, "Create it, and give the bot's user that right.")
    host = urlsplit(settings.public_url or "").hostname
    if host is not None and "." not in host and ":" not in host and host != "localhost":
        summary = f"PUBLIC_URL: ComfyDeploy can't reach {host}, a name in your network."
        yield warning(SETTINGS, summary, "Set it to an address that everybody can reach.")


async def check(
    settings: Settings, mistakes: Sequence[str], effects: Effects, out: TextIO, *, as_json: bool = False
) -> int:
    """Print each finding as soon as it is known, or all of them as JSON.

    `mistakes` are those in the settings, which then have their defaults. Return 2 if there is an error, 1 if
    all errors may end by themselves, otherwise 0: the codes with which the bot would end.
    """
    redact = Redactor(settings.secret_values())
    found = list[Finding]()
    async for finding in _findings(settings, mistakes, effects):
        # Findings in a row that share a remedy print it once.
        is_told = bool(found) and found[-1].remedy == finding.remedy
        found.append(finding)
        if not as_json:
            out.write(redact(str(replace(finding, remedy="") if is_told else finding)) + "\n")
            out.flush()
    counts = Counter(finding.level for finding in found)
    if as_json:
        told = {"version": __version__, "findings": [asdict(finding) for finding in found]}
        out.write(redact(json.dumps(told, indent=1, ensure_ascii=False)) + "\n")
    else:
        totals = [counted(counts[level], level) for level in (Level.WARNING, Level.ERROR)]
        out.write(f"{', '.join([f'{counts[Level.OK]} ok', *totals])}\n")
    errors = [finding for finding in found if finding.level is Level.ERROR]
    return 0 if not errors else 1 if all(each.passing for each in errors) else 2


async def _findings(settings: Settings, mistakes: Sequence[str], effects: Effects) -> AsyncIterator[Finding]:
    for finding in check_settings(settings, mistakes):
        yield finding
    async with AsyncExitStack() as stack:
        store = Store(settings.database_url.get_secret_value(), effects)
        stack.push_async_callback(store.close)
        usable, wrong = False, names_in(mistakes)
        no_database = "DATABASE_URL" in wrong
        if not no_database:
            finding, usable = await inspect_database(store)
            yield finding
            no_database = finding.level is Level.ERROR
        with suppress(OSError):  # of a folder that can't be entered, which another finding names
            for disk in check_disks(settings, None if no_database else store.database.file):
                yield disk
        secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret is not None else None
        if secret is None and usable:
            secret = await store.key_values.get("webhook_secret")
        # Without the bot's own secret, only this process itself can reply the webhook of the check.
        signer = WebhookSigner(secret or effects.random.randbytes(32).hex(), settings.public_url)
        session = await stack.enter_async_context(open_session())
        backend = ComfyDeploy(session, settings.comfydeploy_api_url, settings.comfydeploy_api_key, signer)
        if settings.roles & CALLING_ROLES:
            async for finding in _check_services(
                settings, wrong, effects, backend, store if usable else None
            ):
                yield finding
            if settings.picture_check_url is not None:
                yield await check_pictures(settings, effects)
        # Without the running bot's secret or port, this would only fail for the same cause.
        is_blocked = no_database and settings.webhook_secret is None
        skips = is_blocked or not wrong.isdisjoint(("WEB_HOST", "WEB_PORT"))
        if settings.public_url is not None and Role.WEB in settings.roles and not skips:
            yield await check_public_url(settings, settings.public_url, backend, signer)


async def _check_services(
    settings: Settings, wrong: Collection[str], effects: Effects, backend: ComfyDeploy, store: Store | None
) -> AsyncIterator[Finding]:
    """Check ComfyDeploy and Discord, each if its key is set and its address isn't wrong."""
    if settings.comfydeploy_api_key.get_secret_value() and "COMFYDEPLOY_API_URL" not in wrong:
        key = await check_key(backend)
        yield key
        configs: Sequence[DeploymentSettings] = ()
        # If none is named, a finding about the settings says so.
        named = settings.comfydeploy_deployment_id or settings.deployments_file
        try:
            if named or DEFAULT_DEPLOYMENTS_FILE.exists():
                configs = tuple(configured(settings).deployments.values())
        except StartupError as error:
            for sentence in error.mistakes:
                yield problem(DEPLOYMENT, sentence, "Correct it in .env or deployments.toml.")
        if key.level is Level.ERROR:  # then it describes none of them
            configs = ()
        # Without `write`, since a check must not change anything.
        catalogue = Catalogue(configs, backend, store.key_values.get if store else None)
        for finding in await check_deployments(configs, catalogue, backend) if configs else ():
            yield finding
    if settings.discord_token.get_secret_value():
        async for finding in check_discord(settings, effects, partial(_named_channels, store)):
            yield finding


async def _named_channels(store: Store | None, guild_id: int) -> Mapping[int, str]:
    """Return the channels that a server's settings name, with what they are."""
    rules = await store.rules.get(guild_id) if store is not None else ServerRules()
    named = {rules.gallery_channel_id: "gallery", rules.approval.review_channel_id: "review channel"}
    return {id: title for id, title in named.items() if id is not None}


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
    if fault := await store.database.read(fault_of):
        return problem(DATABASE, f"{server}: it {fault[0]}.", fault[1]), False
    if file is not None and not os.access(file, os.W_OK):
        return problem(DATABASE, f"{file} can't be written.", "Give the bot's user that right."), False
    if version == NEWEST:
        return ok(DATABASE, f"{server}, schema {version}, up to date."), True
    if version is None and await store.database.read(lambda found: bool(inspect(found).get_table_names())):
        remedy = "Give the bot a database of its own."
        return problem(DATABASE, f"{server}: it has tables of another program.", remedy), False
    state = "without tables" if version is None else f"schema {version}"
    return ok(DATABASE, f"{server}, {state}: the next start brings it up to date."), False


def check_disks(settings: Settings, file: Path | None) -> Iterator[Finding]:
    """Compare the free space of each disk with what a day takes, of which SQLite's `file` is the measure."""
    size = file.stat().st_size if file is not None and file.exists() else 0
    growth = max(size // _DAYS, _DAY_BYTES)
    needs = [(Path(gettempdir()), _RESULTS_BYTES)] if Role.MESSENGER in settings.roles else []
    if file is not None:
        needs.append((file.parent, growth))
    if settings.backup_dir is not None:  # a backup is compressed, so it takes less than the database
        needs.append((settings.backup_dir, size + growth))
    disks = dict[int, tuple[list[str], int]]()
    for folder, need in needs:
        place = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
        folders, needed = disks.get(place.stat().st_dev, ([], 0))
        disks[place.stat().st_dev] = [*folders, *({str(place)} - {*folders})], needed + need
    for folders, needed in disks.values():
        free = disk_usage(folders[0]).free
        summary = f"{free // MB:,} MB free for {', '.join(folders)}; a day takes about {needed // MB:,} MB."
        is_enough = free > needed
        yield ok(DISK, summary) if is_enough else problem(DISK, summary, "Free some space there.")


def _versions(connection: Connection) -> tuple[str | None, str]:
    """Return the database's schema, and the name of its server."""
    if connection.dialect.name == "sqlite":
        return schema_of(connection), "SQLite"
    return schema_of(connection), f"PostgreSQL {connection.scalar(text('SHOW server_version'))}"


async def check_public_url(
    settings: Settings, public_url: str, backend: ComfyDeploy, signer: WebhookSigner
) -> Finding:
    """Send a signed webhook to PUBLIC_URL that no backend would send, and a forged one.

    Only a bot with the same secret takes the first, and replies that it can't read it. This process replies
    meanwhile if the port is free.
    """
    reached: list[bool] = []

    async def reply(request: web.Request) -> web.Response:
        if not backend.is_webhook_authentic(**request.match_info):
            return web.Response(status=_FORGED)
        reached.append(True)
        return web.Response(status=_UNREADABLE)

    here = web.Application()
    for method, route in backend.webhooks:
        here.router.add_route(method, route, reply)
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
    """Return the status and Location of the reply to a webhook, or a finding if there is none."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
            session.post(url, data=b"a check", allow_redirects=False) as reply,
        ):
            return reply.status, reply.headers.get("Location", "")
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
    if status == 404 and (path := urlsplit(public_url).path):
        remedy = (
            f"Set PUBLIC_URL without {path}, or let the proxy remove {path} from the paths that it passes on."
        )
        return problem(PUBLIC_URL, f"{public_url} answers 404: the bot has no path {path}.", remedy)
    if taken:
        return problem(PUBLIC_URL, f"{public_url} answers {status}, but it isn't the bot.", taken)
    remedy = f"Let the proxy or tunnel pass POST requests for /webhooks/comfydeploy/ on to port {port} here."
    return problem(PUBLIC_URL, f"{public_url} answers {status}, but not from here.", remedy)


async def check_pictures(settings: Settings, effects: Effects) -> Finding:
    metrics = Metrics(effects.monotonic)
    try:
        labels = configured(settings).picture_check.labels
    except StartupError as error:
        return problem(PICTURES, "; ".join(error.mistakes), "Correct deployments.toml.")
    with effects.executor("files", 1) as files:
        checker = PictureChecker(settings, labels, effects, files, metrics)
        try:
            scores = await checker.ask(BytesIO(b64decode(_GREY)), "image/png")
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
