"""Hosts and addresses, so sound that no library stumbles over them later."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from bot.comfydeploy.webhook_urls import WEBHOOK_PATH
from bot.domain.text import excerpt

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
        raise ValueError(f"must be a host's name or an IP address, not {excerpt(text)}")
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
        raise ValueError(f"must be the address before {WEBHOOK_PATH}, which the bot adds: {excerpt(before)}")
    return text


_SQLITE, _POSTGRES = "sqlite+aiosqlite", "postgresql+asyncpg"
# What may follow the question mark; anything else the driver meets with a TypeError.
_OPTIONS = ("ssl", "host", "port", "passfile", "service", "servicefile", "target_session_attrs")
# What the driver takes for these two, and otherwise tells only when it connects.
WORDS = {
    "ssl": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
}
# Neither repeats the host or the port: they may be a piece of the password.
_ENCODED = "Special characters in the password have to be percent-encoded: @ is %40, / is %2F, # is %23"
_HOST = f"must have a host's name or an IP address (IPv6 in brackets) after the @. {_ENCODED}"
_PORT = f"must have a port from 1 to {HIGHEST_PORT} after the host's colon, or no colon. {_ENCODED}"


def database_url(text: str) -> str:
    """`text`, or a ValueError that says what it must be."""
    if "\0" in unquote(text):
        raise ValueError("must have no NUL character")
    if text.startswith(f"{_SQLITE}://"):
        _check_file(text)
    elif text.startswith(f"{_POSTGRES}://"):
        _check_server(text)
    else:
        raise ValueError(f"must begin with {_SQLITE}:/// or {_POSTGRES}://")
    return text


def _check_file(text: str) -> None:
    try:
        url = make_url(text)
    except ValueError:  # a port, where no host belongs either
        url = URL.create(_SQLITE)
    if url.host is not None or not url.database or url.database == ":memory:":
        raise ValueError(
            f"must name a file: {_SQLITE}:///data/bot.db, or with a fourth slash from the root, "
            f"{_SQLITE}:////data/bot.db"
        )
    if url.query:
        raise ValueError(f"must end with the file's name: {_SQLITE} takes nothing after a question mark")


def _check_server(text: str) -> None:
    if find_spec("asyncpg") is None:
        raise ValueError("needs the PostgreSQL driver: pip install asyncpg")
    try:
        url = make_url(text)
    except ValueError:
        raise ValueError(_HOST if "[" in text and "]" not in text else _PORT) from None
    _check_options(url)
    try:
        _, found = url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError):
        raise ValueError(f"must name one server: {_POSTGRES}://user:password@host/name") from None
    # An @ in the password ends it too early: its rest is taken for the host, after a slash for the name.
    if "@" in (url.database or "") or not all(_is_place(host) for host in _each(found.get("host"))):
        raise ValueError(_HOST)
    if not all(0 < port <= HIGHEST_PORT for port in _each(found.get("port"))):
        raise ValueError(_PORT)


def _check_options(url: URL) -> None:
    unknown = [name for name in url.query if name not in _OPTIONS]
    if "sslmode" in unknown:
        raise ValueError("must have ssl= where other programs have sslmode=, such as ?ssl=require")
    if unknown:
        raise ValueError(
            f"must have no {unknown[0]}= after the question mark; it can be {', '.join(_OPTIONS)}"
        )
    for name, known in WORDS.items():
        if name in url.query and url.query[name] not in known:
            raise ValueError(f"must have one of {', '.join(known)} after {name}=")


def _is_place(host: str) -> bool:
    """A slash begins the folder of a socket."""
    return host.startswith("/") or is_host(host)


def _each(found: Any) -> Iterable[Any]:
    if found is None:
        return ()
    return found if isinstance(found, list) else (found,)
