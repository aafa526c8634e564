"""`python -m bot check`: run the checks in order, without those that can't find anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import TextIO

from bot.comfydeploy.client import ComfyDeploy, open_session
from bot.comfydeploy.wire import WebhookSigner
from bot.config.fields import CALLING_ROLES
from bot.config.logs import Redactor
from bot.config.settings import Settings, configured_deployments
from bot.deployments.catalogue import Catalogue
from bot.ops import check_comfydeploy, check_discord, check_machine
from bot.ops.findings import Finding, Level, Setup, warning
from bot.outside import Outside
from bot.store import Store

Check = Callable[[Setup], AsyncIterator[Finding]]


def _checks(setup: Setup) -> Iterator[Check]:
    """Yield the checks in order. The bot has an `application_id` once the check of its token has found it."""
    if setup.settings.roles & CALLING_ROLES:
        yield check_comfydeploy.check_key
        yield check_comfydeploy.check_deployments
        yield check_discord.check_token
    if setup.application_id is not None:
        yield check_discord.check_servers
        yield check_discord.show_links
    yield check_machine.check_public_url


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
        finding, usable = await check_machine.inspect_database(store)
        yield finding
        setup = await _set_up(stack, settings, outside, store, usable=usable)
        for each in _checks(setup):
            async for finding in each(setup):
                yield finding


async def _set_up(
    stack: AsyncExitStack, settings: Settings, outside: Outside, store: Store, *, usable: bool
) -> Setup:
    secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret is not None else None
    if secret is None and usable:
        secret = await store.key_values.get("webhook_secret")
    signer = WebhookSigner(secret or outside.random.randbytes(32).hex(), settings.public_url)
    session = await stack.enter_async_context(open_session())
    backend = ComfyDeploy(session, settings.comfydeploy_api_url, settings.comfydeploy_api_key, signer)
    configs = configured_deployments(settings) if settings.roles & CALLING_ROLES else ()
    # Without `write`, since a check must not change anything.
    catalogue = Catalogue(configs, backend, store.key_values.get_deployment if usable else None)
    setup = Setup(settings, outside, signer, backend, catalogue, configs)
    await stack.enter_async_context(setup.client)
    return setup
