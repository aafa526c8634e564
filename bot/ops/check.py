"""`python -m bot check`: run the checks in order, without those that can't find anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TextIO

from bot.comfydeploy.client import ComfyDeploy, open_session
from bot.comfydeploy.wire import WebhookSigner
from bot.config.fields import CALLING_ROLES, Role
from bot.config.logs import Redactor
from bot.config.settings import Settings, configured_deployments
from bot.deployments.catalogue import Catalogue
from bot.ops.check_comfydeploy import check_deployments, check_key
from bot.ops.check_discord import check_discord
from bot.ops.check_machine import check_pictures, check_public_url, inspect_database
from bot.ops.findings import Finding, Level, warning
from bot.outside import Outside
from bot.store import Store


async def check(settings: Settings, outside: Outside, out: TextIO) -> int:
    """Print each finding as soon as it is known. Return 1 if any of them is an error, otherwise 0.

    Raises StartupError if no deployment is configured or deployments.toml has mistakes.
    """
    redact = Redactor(settings.secret_values())
    counts: Counter[Level] = Counter()
    async for finding in _findings(settings, outside):
        counts[finding.level] += 1
        out.write(redact(str(finding)) + "\n")
        out.flush()
    words = {Level.WARNING: "warning", Level.ERROR: "error"}
    totals = [f"{counts[level]} {word}{'' if counts[level] == 1 else 's'}" for level, word in words.items()]
    out.write(f"{', '.join([f'{counts[Level.OK]} ok', *totals])}\n")
    return 1 if counts[Level.ERROR] else 0


async def _findings(settings: Settings, outside: Outside) -> AsyncIterator[Finding]:
    for sentence in settings.warnings():
        yield warning("Settings", sentence, "Change it in .env; docs/configuration.md explains each setting.")
    async with AsyncExitStack() as stack:
        store = Store(settings.database_url.get_secret_value(), outside)
        stack.push_async_callback(store.close)
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
            configs = configured_deployments(settings)
            yield await check_key(backend)
            # Without `write`, since a check must not change anything.
            catalogue = Catalogue(configs, backend, store.key_values.get_deployment if usable else None)
            for finding in await check_deployments(configs, catalogue, backend):
                yield finding
            async for finding in check_discord(settings, outside):
                yield finding
            if settings.picture_check_url is not None:
                yield await check_pictures(settings, outside)
        if settings.public_url is not None and Role.WEB in settings.roles:
            yield await check_public_url(settings, settings.public_url, backend, signer)
