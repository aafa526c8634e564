"""`python -m bot check`: check the settings and the network, then the services that can be asked."""

from __future__ import annotations

import json
import os
import re
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from typing import TextIO
from urllib.parse import urlsplit

from bot import __version__
from bot.comfydeploy.client import ComfyDeploy, open_session
from bot.comfydeploy.wire import WebhookSigner
from bot.config.fields import CALLING_ROLES, Role
from bot.config.logs import Redactor
from bot.config.settings import DEFAULT_DEPLOYMENTS_FILE, Settings, configured
from bot.deployments.catalogue import Catalogue
from bot.deployments.schema import DeploymentSettings
from bot.domain.errors import StartupError
from bot.ops.check_comfydeploy import DEPLOYMENT, check_deployments, check_key
from bot.ops.check_discord import check_discord
from bot.ops.check_machine import check_pictures, check_public_url, inspect_database
from bot.ops.findings import Finding, Level, counted, problem, warning
from bot.outside import Outside
from bot.store import Store

SETTINGS = "Settings"
REMEDY = "Set it in .env or the environment; the project's docs/configuration.md explains each setting."
_OWN_API = "https://api.comfydeploy.com/api"


def token_fault(token: str) -> str | None:
    """Return what is wrong with the form of a bot token, or None. The first part is the application's id."""
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
    """Return what is wrong with the form of an API key, or None. A self-hosted server has other keys."""
    if api_url != _OWN_API or key.startswith("eyJ"):
        return None
    if token_fault(key) is None:
        return "looks like a Discord token"
    return "doesn't look like a ComfyDeploy key, which begins with eyJ"


def names_in(mistakes: Sequence[str]) -> frozenset[str]:
    """Return the wrong settings, with which the sentences begin. Their defaults are nothing to talk about."""
    return frozenset(found[0] for sentence in mistakes if (found := re.match("[A-Z_]+", sentence)))


def check_settings(settings: Settings, mistakes: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each mistake, and a warning for what is unlikely or has an unlikely form."""
    for sentence in mistakes:
        yield problem(SETTINGS, sentence, REMEDY)
    for sentence in settings.warnings():
        if not names_in([sentence]) & names_in(mistakes):
            yield warning(SETTINGS, sentence, REMEDY)
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
    settings: Settings, mistakes: Sequence[str], outside: Outside, out: TextIO, *, as_json: bool = False
) -> int:
    """Print each finding as soon as it is known, or all of them as JSON.

    `mistakes` are those in the settings, which then have their defaults. Return 2 if there is an error, 1 if
    all errors may end by themselves, otherwise 0: the codes with which the bot would end.
    """
    redact = Redactor(settings.secret_values())
    found = list[Finding]()
    async for finding in _findings(settings, mistakes, outside):
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


async def _findings(settings: Settings, mistakes: Sequence[str], outside: Outside) -> AsyncIterator[Finding]:
    for finding in check_settings(settings, mistakes):
        yield finding
    async with AsyncExitStack() as stack:
        store = Store(settings.database_url.get_secret_value(), outside)
        stack.push_async_callback(store.close)
        usable, wrong = False, names_in(mistakes)
        if "DATABASE_URL" not in wrong:
            finding, usable = await inspect_database(store)
            yield finding
        secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret is not None else None
        if secret is None and usable:
            secret = await store.key_values.get("webhook_secret")
        # Without the bot's own secret, only this process itself can answer the webhook of the check.
        signer = WebhookSigner(secret or outside.random.randbytes(32).hex(), settings.public_url)
        session = await stack.enter_async_context(open_session())
        backend = ComfyDeploy(session, settings.comfydeploy_api_url, settings.comfydeploy_api_key, signer)
        if settings.roles & CALLING_ROLES:
            async for finding in _check_services(
                settings, wrong, outside, backend, store if usable else None
            ):
                yield finding
            if settings.picture_check_url is not None:
                yield await check_pictures(settings, outside)
        if settings.public_url is not None and Role.WEB in settings.roles:
            yield await check_public_url(settings, settings.public_url, backend, signer)


async def _check_services(
    settings: Settings, wrong: Collection[str], outside: Outside, backend: ComfyDeploy, store: Store | None
) -> AsyncIterator[Finding]:
    """Check ComfyDeploy and Discord, each if its key is set and its address isn't wrong."""
    if settings.comfydeploy_api_key.get_secret_value() and "COMFYDEPLOY_API_URL" not in wrong:
        yield await check_key(backend)
        configs: Sequence[DeploymentSettings] = ()
        # If none is named, a finding about the settings says so.
        named = settings.comfydeploy_deployment_id or settings.deployments_file
        try:
            if named or DEFAULT_DEPLOYMENTS_FILE.exists():
                configs = tuple(configured(settings).deployments.values())
        except StartupError as error:
            for sentence in error.mistakes:
                yield problem(DEPLOYMENT, sentence, "Correct it in .env or deployments.toml.")
        # Without `write`, since a check must not change anything.
        catalogue = Catalogue(configs, backend, store.key_values.get if store else None)
        for finding in await check_deployments(configs, catalogue, backend) if configs else ():
            yield finding
    if settings.discord_token.get_secret_value():
        async for finding in check_discord(settings, outside):
            yield finding
