"""Hosts and addresses, so sound that no library stumbles over them later."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from bot.domain.text import shown
from bot.tracking.signing import WEBHOOK_PATH

HIGHEST_PORT = 65535
# Compose names services with underscores; letters of other alphabets are encoded.
_NAME = re.compile(r"[\w.-]+")


def is_host(text: str) -> bool:
    """Whether it is an IP address or can be looked up as a name: no empty label, none over 63 characters."""
    try:
        ip_address(text)
    except ValueError:
        return _NAME.fullmatch(text) is not None and _encodes(text)
    return True


def _encodes(name: str) -> bool:
    """Looking it up begins with this, and fails with a UnicodeError."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def host(value: object) -> object:
    text = str(value).strip()
    if not is_host(text):
        raise ValueError(f"must be a host's name or an IP address, not {shown(text)}")
    return text


def base_url(value: object) -> str:
    text = str(value).strip()
    if not text.lower().startswith(("https://", "http://")):
        raise ValueError("must be an address that begins with https:// or http://")
    if any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError("must be an address without blanks")
    if "@" in text.split("/")[2] or "?" in text or "#" in text:
        raise ValueError("must be an address without user name, query (?) or fragment (#)")
    try:
        parts = urlsplit(text)
        named = is_host(parts.hostname or "")
    except ValueError:
        named = False
    if not named:
        raise ValueError("must name a host after //: a name such as bot.example.com, an IP address, or [::1]")
    if not _has_sound_port(parts.netloc):
        raise ValueError(f"must have a port from 1 to {HIGHEST_PORT} after the host, or none")
    return text.rstrip("/")


def _has_sound_port(netloc: str) -> bool:
    try:
        port = urlsplit(f"//{netloc}").port
    except ValueError:
        return False
    return port is None or port > 0


def public_url(value: object) -> str:
    text = base_url(value)
    before, path, _ = text.partition(WEBHOOK_PATH)
    if path:
        raise ValueError(f"must be the address before {WEBHOOK_PATH}, which the bot adds: {shown(before)}")
    return text
