"""Validate hosts, base URLs and database URLs, so that no library fails on them later."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from bot.comfydeploy.webhook_urls import WEBHOOK_PATH
from bot.domain.text import excerpt

IPNetwork = IPv4Network | IPv6Network
HIGHEST_PORT = 65535
_PRIVATE_V4 = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")
_PRIVATE = tuple(map(ip_network, (*_PRIVATE_V4, "fc00::/7", "::1/128")))
# Docker Compose puts underscores into service names; IDNA encodes non-ASCII letters.
_NAME = re.compile(r"[\w.-]+")


def is_host(text: str) -> bool:
    """Return whether `text` is an IP address or a well-formed host name. The name isn't looked up."""
    try:
        ip_address(text)
    except ValueError:
        return _NAME.fullmatch(text) is not None and _encodes(text)
    return True


def _encodes(name: str) -> bool:
    """Return whether IDNA can encode `name`. Python encodes each host name before it looks it up."""
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


def private_network(text: str) -> IPNetwork:
    """Parse a network of private, shared or loopback addresses. An address alone is a network of one."""
    mistake = (
        f"must be private networks such as 10.0.0.0/8 or fd12::/16, separated by commas; {excerpt(text)}"
    )
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{mistake} isn't one") from None
    if not _is_private(network):
        raise ValueError(f"{mistake} isn't private")
    if network.network_address != ip_address(text.partition("/")[0]):
        raise ValueError(f"{mistake} isn't one, {network} is")
    return network


def _is_private(network: IPNetwork) -> bool:
    return any(network[0] in private and network[-1] in private for private in _PRIVATE)


def base_url(value: object) -> str:
    text = str(value).strip()
    if not text.lower().startswith(("https://", "http://")):
        raise ValueError("must be an address that begins with https:// or http://")
    if any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError("must be an address without spaces")
    if "@" in text.split("/")[2] or "?" in text or "#" in text:
        raise ValueError("must be an address without user name, query (?) or fragment (#)")
    try:
        parts = urlsplit(text)
        valid_host = is_host(parts.hostname or "")
    except ValueError:
        valid_host = False
    if not valid_host:
        raise ValueError("must name a host after //: a name such as bot.example.com, an IP address, or [::1]")
    if not _has_valid_port(parts.netloc):
        raise ValueError(f"must have a port from 1 to {HIGHEST_PORT} after the host, or none")
    return text.rstrip("/")


def _has_valid_port(netloc: str) -> bool:
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


_SQLITE, _POSTGRES = "sqlite", "postgresql"
# The forms of other programs and of this bot's development versions.
_OLD_SCHEMES = {
    "sqlite+aiosqlite": _SQLITE,
    "postgresql+asyncpg": _POSTGRES,
    "postgres": _POSTGRES,
}
# Query parameters that asyncpg understands; it raises TypeError for any other.
_OPTIONS = ("ssl", "host", "port", "passfile", "service", "servicefile", "target_session_attrs")
# The values that asyncpg accepts for these two; it checks them only when it connects.
ALLOWED_VALUES = {
    "ssl": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
}
# These messages never repeat the host or port, which may be part of a badly encoded password.
_ENCODED = "Special characters in the password have to be percent-encoded: @ is %40, / is %2F, # is %23"
_HOST = f"must have a host's name or an IP address (IPv6 in brackets) after the @. {_ENCODED}"
_PORT = f"must have a port from 1 to {HIGHEST_PORT} after the host's colon, or no colon. {_ENCODED}"


def database_url(text: str) -> str:
    """Return `text` unchanged, or raise ValueError with the expected format."""
    if "\0" in unquote(text):
        raise ValueError("must have no NUL character")
    for old, new in _OLD_SCHEMES.items():
        if text.startswith(f"{old}:"):
            # The rest may contain a password.
            rest = text.removeprefix(f"{old}:") if new == _SQLITE else "//…"
            raise ValueError(f"must be {new}:{rest} instead of {old}:{rest}")
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
    except ValueError:  # a host with a port, which SQLite URLs can't have
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
        _, arguments = url.set(drivername="postgresql+asyncpg").get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError):
        raise ValueError(f"must name one server: {_POSTGRES}://user:password@host/name") from None
    # An unencoded @ in the password ends it early: the rest is parsed as the host or, after a slash, as the
    # database.
    if "@" in (url.database or "") or not all(
        _is_server_address(host) for host in _each(arguments.get("host"))
    ):
        raise ValueError(_HOST)
    if not all(0 < port <= HIGHEST_PORT for port in _each(arguments.get("port"))):
        raise ValueError(_PORT)


def _check_options(url: URL) -> None:
    unknown = [name for name in url.query if name not in _OPTIONS]
    if "sslmode" in unknown:
        raise ValueError("must have ssl= where other programs have sslmode=, such as ?ssl=require")
    if unknown:
        raise ValueError(
            f"must have no {unknown[0]}= after the question mark; it can be {', '.join(_OPTIONS)}"
        )
    for name, allowed in ALLOWED_VALUES.items():
        if name in url.query and url.query[name] not in allowed:
            raise ValueError(f"must have one of {', '.join(allowed)} after {name}=")


def _is_server_address(host: str) -> bool:
    """Return whether `host` is a valid host or, with a leading slash, the folder of a Unix socket."""
    return host.startswith("/") or is_host(host)


def _each(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)
