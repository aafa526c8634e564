"""`python -m bot check`: run the checks in order, and skip those that depend on a failed one."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TextIO

from bot.app import open_app
from bot.comfydeploy.client import ComfyDeploy, open_session
from bot.comfydeploy.webhook_urls import WebhookSigner
from bot.config.logs import Redactor
from bot.config.roles import CALLING_ROLES, Role
from bot.config.settings import Settings, configured_deployments
from bot.deployments.catalogue import Catalogue
from bot.discord_api.permissions import install_url, invite_url
from bot.domain.errors import StartupError
from bot.gateway.client import GenerateBot
from bot.metrics import Metrics
from bot.ops import check_comfydeploy, check_discord, check_host
from bot.ops.check_host import compare_clock, inspect_database
from bot.ops.check_rules import rule_findings
from bot.ops.discord_http import DiscordApi, discord_api
from bot.ops.findings import Finding, Level, format_finding, format_totals, ok, warning
from bot.outside import Outside
from bot.store import Store
from bot.wakeups import Wakeups


@dataclass(frozen=True, slots=True)
class _CheckContext:
    """The state that the checks share.

    The secret of `signer` may be a temporary one. `usable` is that of DatabaseState.
    """

    settings: Settings
    signer: WebhookSigner
    store: Store
    backend: ComfyDeploy
    api: DiscordApi
    outside: Outside
    usable: bool


async def findings(settings: Settings, outside: Outside) -> AsyncIterator[Finding]:
    """Yield findings as they become known.

    Raises StartupError if no deployment is configured or deployments.toml has mistakes.
    """
    for sentence in settings.warnings():
        yield warning("Settings", sentence, "Change it in .env; docs/configuration.md explains each setting.")
    async with AsyncExitStack() as stack:
        store = Store(settings.database_url.get_secret_value(), outside)
        stack.push_async_callback(store.close)
        database = await inspect_database(store)
        yield database.finding
        if Role.MESSENGER in settings.roles:
            yield check_host.check_temporary_folder()
        session = await stack.enter_async_context(open_session())
        signer = await _signer(settings, store, outside, usable=database.usable)
        context = _CheckContext(
            settings,
            signer,
            store,
            ComfyDeploy(session, settings.comfydeploy_api_url, settings.comfydeploy_api_key, signer),
            await stack.enter_async_context(discord_api(settings.discord_token)),
            outside,
            database.usable,
        )
        if settings.roles & CALLING_ROLES:
            async for finding in _services(context, stack):
                yield finding
        ports = [finding async for finding in check_host.check_ports(settings)]
        for finding in ports:
            yield finding
        ports_usable = all(finding.level is not Level.ERROR for finding in ports)
        if ports_usable and settings.public_url is not None and Role.WEB in settings.roles:
            yield await _address(context, settings.public_url)


async def _services(context: _CheckContext, stack: AsyncExitStack) -> AsyncIterator[Finding]:
    """Check ComfyDeploy and Discord, for a process that calls them."""
    configs = configured_deployments(context.settings)
    # Without `write`, since a check must not change anything.
    read = context.store.key_values.get_deployment if context.usable else None
    catalogue = Catalogue(configs, context.backend, read)
    yield await check_comfydeploy.check_key(context.backend)
    load_error = None
    try:
        await catalogue.load()
    except StartupError as error:
        load_error = error
    for finding in check_comfydeploy.deployment_findings(configs, catalogue):
        yield finding
    for finding in check_comfydeploy.load_problems(load_error, catalogue) if load_error is not None else ():
        yield finding
    if catalogue.all() and load_error is None and context.usable:
        for finding in rule_findings(await context.store.rules.of_all_servers(), catalogue.all()):
            yield finding
    bot = await _bot(context, catalogue, stack) if catalogue.all() else None
    async for finding in _discord(context, bot):
        yield finding


async def _signer(settings: Settings, store: Store, outside: Outside, *, usable: bool) -> WebhookSigner:
    """Return a signer with the bot's webhook secret, or with a temporary one if the secret can't be read."""
    if settings.webhook_secret is not None:
        return WebhookSigner(settings.webhook_secret.get_secret_value(), settings.public_url)
    stored = await store.key_values.get("webhook_secret") if usable else None
    return WebhookSigner(stored or outside.random.randbytes(32).hex(), settings.public_url)


async def _bot(context: _CheckContext, catalogue: Catalogue, stack: AsyncExitStack) -> GenerateBot:
    """Return the bot with its commands, even if this process lacks the gateway role. It never logs in."""
    settings = context.settings.model_copy(update={"roles": frozenset({Role.GATEWAY})})
    app = await open_app(
        stack,
        settings,
        context.outside,
        store=context.store,
        backend=context.backend,
        catalogue=catalogue,
        wakeups=Wakeups(),
        metrics=Metrics(context.outside.monotonic),
    )
    bot = app.discord.client
    if not isinstance(bot, GenerateBot):
        raise TypeError("a process with the gateway role has the bot as its client")
    await bot.load_cogs()
    return bot


async def _discord(context: _CheckContext, bot: GenerateBot | None) -> AsyncIterator[Finding]:
    identity, finding = await check_discord.identify(context.api)
    yield finding
    if (clock := compare_clock(context.api.date, context.outside.now())) is not None:
        yield clock
    if identity is None:
        return
    yield await check_discord.check_session_starts(context.api, context.settings)
    if bot is not None:
        yield check_discord.check_intents(bot.intents, identity.flags)
        synced = await bot.sync.synced(identity.application_id) if context.usable else {}
        for finding in await check_discord.check_commands(context.api, bot.tree, bot.sync, identity, synced):
            yield finding
    for finding in await check_discord.check_servers(context.api, context.settings):
        yield finding
    yield ok("Invite link", invite_url(identity.application_id))
    if context.settings.allow_user_installs:
        yield ok("Install link", install_url(identity.application_id))


async def _address(context: _CheckContext, public_url: str) -> Finding:
    settings = context.settings
    async with check_host.ping_endpoint(context.signer, settings.web_host, settings.web_port) as local:
        return await check_host.check_public_url(
            context.signer, public_url, local, settings.web_port, context.outside.random
        )


async def check(settings: Settings, outside: Outside, out: TextIO) -> int:
    """Print each finding as soon as it is known. Return 1 if any of them is an error, otherwise 0."""
    redact = Redactor(settings.secret_values())
    counts: Counter[Level] = Counter()
    async for finding in findings(settings, outside):
        counts[finding.level] += 1
        out.write(redact(format_finding(finding)) + "\n")
        out.flush()
    out.write(f"{format_totals(counts)}\n")
    return 1 if counts[Level.ERROR] else 0
