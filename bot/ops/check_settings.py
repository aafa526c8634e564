"""Check the settings without calling a service: what they look like, and whether there is a network."""

from __future__ import annotations

import asyncio
import os
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Sequence
from contextlib import closing
from urllib.parse import urlsplit

from discord.http import Route

from bot.config.settings import Settings
from bot.domain.errors import reason_of
from bot.ops.findings import Finding, problem, warning

SETTINGS, NETWORK = "Settings", "Network"
REMEDY = "Set it in .env or the environment; the project's docs/configuration.md explains each setting."
_CONNECT_SECONDS = 10
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


async def check_network(api_url: str) -> Finding | None:
    """Return a finding if neither Discord nor ComfyDeploy can be reached at all, so nothing else is asked."""
    reasons = []
    for url in (Route.BASE, api_url):
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), _CONNECT_SECONDS)
        except OSError as error:  # TimeoutError, too
            reasons.append(f"{host}: {reason_of(error)}")
        else:
            with closing(writer):
                return None
    summary = f"neither Discord nor ComfyDeploy can be reached ({'; '.join(reasons)})."
    return problem(NETWORK, summary, "Check this machine's network, its name server and the firewall.")
