"""`python -m bot check`: run the checks in order, without those that can't find anything."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TextIO

from bot import __version__
from bot.comfydeploy.client import ComfyDeploy, open_session
from bot.comfydeploy.wire import WebhookSigner
from bot.config.fields import CALLING_ROLES, Role
from bot.config.logs import Redactor
from bot.config.settings import DEFAULT_DEPLOYMENTS_FILE, Settings, configured_deployments
from bot.deployments.catalogue import Catalogue
from bot.deployments.schema import DeploymentSettings
from bot.domain.errors import StartupError
from bot.ops.check_comfydeploy import DEPLOYMENT, check_deployments, check_key
from bot.ops.check_discord import check_discord
from bot.ops.check_machine import check_pictures, check_public_url, inspect_database
from bot.ops.check_settings import check_network, check_settings, names_in
from bot.ops.findings import Finding, Level, counted, problem
from bot.outside import Outside
from bot.store import Store


async def check(
    settings: Settings, mistakes: Sequence[str], outside: Outside, out: TextIO, *, as_json: bool = False
) -> int:
    """Print each finding as soon as it is known, or all of them as JSON.

    `mistakes` are those in the settings, which then have their defaults. Return 2 if there are any, 1 if
    there is another error, otherwise 0.
    """
    redact = Redactor(settings.secret_values())
    found = list[Finding]()
    async for finding in _findings(settings, mistakes, outside):
        found.append(finding)
        if not as_json:
            out.write(redact(str(finding)) + "\n")
            out.flush()
    counts = Counter(finding.level for finding in found)
    if as_json:
        told = {"version": __version__, "findings": [asdict(finding) for finding in found]}
        out.write(redact(json.dumps(told, indent=1, ensure_ascii=False)) + "\n")
    else:
        totals = [counted(counts[level], level) for level in (Level.WARNING, Level.ERROR)]
        out.write(f"{', '.join([f'{counts[Level.OK]} ok', *totals])}\n")
    return 2 if mistakes else 1 if counts[Level.ERROR] else 0


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
            network = await check_network(settings.comfydeploy_api_url)
            if network is not None:
                yield network
                return
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
                configs = configured_deployments(settings)
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
