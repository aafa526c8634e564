"""The checks in their order: first what others stand on; what can't be known without it is left out."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from pydantic import SecretStr

from bot.app import utc_now
from bot.comfydeploy.client import ComfyClient, open_session
from bot.comfydeploy.webhook_urls import WebhookSigner
from bot.config.logs import Redactor
from bot.config.roles import CALLING_ROLES, Role
from bot.config.settings import Settings, load_deployment_configs
from bot.delivery.download import MediaFetcher
from bot.deployments.catalogue import Catalogue
from bot.domain.errors import StartupError
from bot.gateway.client import GenerateBot
from bot.gateway.permissions import install_url, invite_url
from bot.metrics import Metrics
from bot.ops import check_comfydeploy, check_discord, check_host
from bot.ops.check_host import compare, look
from bot.ops.discord_http import DiscordApi, discord_api
from bot.ops.findings import Finding, Level, format_finding, format_totals, ok, warning
from bot.store import Store
from bot.wiring import Resources, gateway_bot, reloader_of
from bot.workers.worker import Wakeups


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the checks share. `secret` signs webhooks, if only for the moment."""

    settings: Settings
    secret: SecretStr
    store: Store
    comfy: ComfyClient
    api: DiscordApi
    clock: Callable[[], datetime]
    usable: bool


async def findings(settings: Settings, clock: Callable[[], datetime]) -> AsyncIterator[Finding]:
    """One after the other, as they are known. Raises StartupError where nothing can be checked at all."""
    for sentence in settings.warnings():
        yield warning("Settings", sentence, "Change it in .env; docs/configuration.md explains each setting.")
    async with AsyncExitStack() as stack:
        store = Store(settings.database_url.get_secret_value())
        stack.push_async_callback(store.close)
        state = await look(store)
        yield state.finding
        if Role.COURIER in settings.roles:
            yield check_host.outputs()
        session = await stack.enter_async_context(open_session())
        ground = _Ground(
            settings,
            await _secret(settings, store, usable=state.usable),
            store,
            ComfyClient(session, settings.comfydeploy_api_url, settings.comfydeploy_api_key),
            await stack.enter_async_context(discord_api(settings.discord_token)),
            clock,
            state.usable,
        )
        if settings.roles & CALLING_ROLES:
            async for finding in _services(ground, stack):
                yield finding
        listens = [finding async for finding in check_host.listens(settings)]
        for finding in listens:
            yield finding
        possible = all(finding.level is not Level.ERROR for finding in listens)
        if possible and settings.public_url is not None and Role.WEB in settings.roles:
            yield await _address(ground, settings.public_url)


async def _services(ground: _Ground, stack: AsyncExitStack) -> AsyncIterator[Finding]:
    """ComfyDeploy and Discord, for a process that calls them."""
    configs, asked = load_deployment_configs(ground.settings), check_comfydeploy.Asked(ground.comfy)
    catalogue = check_comfydeploy.catalogue_of(configs, asked, ground.store.notes if ground.usable else None)
    yield await check_comfydeploy.key(ground.comfy)
    hindrance = None
    try:
        await catalogue.load()
    except StartupError as error:
        hindrance = error
    for finding in check_comfydeploy.deployments(configs, asked, catalogue):
        yield finding
    for finding in check_comfydeploy.not_loaded(hindrance, asked) if hindrance is not None else ():
        yield finding
    bot = await _bot(ground, catalogue, stack) if catalogue.all() else None
    async for finding in _discord(ground, bot):
        yield finding


async def _secret(settings: Settings, store: Store, *, usable: bool) -> SecretStr:
    """The one that the bot uses, or would use were it to start now."""
    if settings.webhook_secret is not None:
        return settings.webhook_secret
    kept = await store.notes.get("webhook_secret") if usable else None
    return SecretStr(kept or secrets.token_urlsafe(32))


async def _bot(ground: _Ground, catalogue: Catalogue, stack: AsyncExitStack) -> GenerateBot:
    """The bot with its commands, whatever roles the settings name; it never logs in."""
    fetcher = await stack.enter_async_context(MediaFetcher())
    signer = WebhookSigner(ground.secret.get_secret_value(), ground.settings.public_url)
    base = Resources(
        settings=ground.settings,
        store=ground.store,
        coordinator=ground.store.coordinator(),
        comfy=ground.comfy,
        fetcher=fetcher,
        catalogue=catalogue,
        clock=ground.clock,
        wakeups=Wakeups(),
        signer=signer,
        metrics=Metrics(),
    )
    bot = gateway_bot(base, reloader_of(base))
    await bot.load_cogs()
    return bot


async def _discord(ground: _Ground, bot: GenerateBot | None) -> AsyncIterator[Finding]:
    who, finding = await check_discord.identify(ground.api)
    yield finding
    if (clock := compare(ground.api.date, ground.clock())) is not None:
        yield clock
    if who is None:
        return
    yield await check_discord.gateway(ground.api, ground.settings)
    if bot is not None:
        yield check_discord.intents(bot.intents, who.flags)
        known = await bot.sync.known(who.application_id) if ground.usable else {}
        for finding in await check_discord.commands(ground.api, bot.tree, bot.sync, who, known):
            yield finding
    for finding in await check_discord.servers(ground.api, ground.settings):
        yield finding
    yield ok("Invite link", invite_url(who.application_id))
    if ground.settings.allow_user_installs:
        yield ok("Install link", install_url(who.application_id))


async def _address(ground: _Ground, public_url: str) -> Finding:
    settings = ground.settings
    signer = WebhookSigner(ground.secret.get_secret_value(), public_url)
    async with check_host.endpoint(signer, settings.web_host, settings.web_port) as here:
        return await check_host.round_trip(signer, public_url, here, settings.web_port)


async def check(settings: Settings, out: TextIO) -> int:
    """Prints each finding as soon as it is known. 1 when something is wrong; warnings are none."""
    redact = Redactor(settings.secret_values())
    counts: Counter[Level] = Counter()
    async for finding in findings(settings, utc_now):
        counts[finding.level] += 1
        out.write(redact(format_finding(finding)) + "\n")
        out.flush()
    out.write(f"{format_totals(counts)}\n")
    return 1 if counts[Level.ERROR] else 0
