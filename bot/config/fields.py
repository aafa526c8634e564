"""The types of the settings, and the roles of a process. By default, one process does everything.

The messages of the types follow a setting's name and never quote its value. Hosts, networks and
URLs are checked so that no library fails on them later.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from bot.deployments.schema.field_types import that
from bot.domain.backend import WEBHOOK_PATH

IPNetwork = IPv4Network | IPv6Network
_PRIVATE_V4 = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")
_PRIVATE = tuple(map(ip_network, (*_PRIVATE_V4, "fc00::/7", "::1/128")))
# Docker Compose puts underscores into service names; IDNA encodes non-ASCII letters.
_NAME = re.compile(r"[\w.-]+")


class Role(StrEnum):
    """A part of the bot's work.

    GATEWAY receives and answers interactions. WEB receives ComfyDeploy's webhooks. MESSENGER posts results
    and updates status messages. RECONCILE submits runs, polls silent ones and deletes expired data.
    """

    GATEWAY = "gateway"
    WEB = "web"
    MESSENGER = "messenger"
    RECONCILE = "reconcile"


ALL_ROLES = frozenset(Role)
# The roles that call Discord or ComfyDeploy; a process with WEB alone needs neither key.
CALLING_ROLES = ALL_ROLES - {Role.WEB}


def is_host(text: str) -> bool:
    """Return whether `text` is an IP address or a well-formed host name. The name isn't looked up."""
    with suppress(ValueError):
        ip_address(text)
        return True
    with suppress(UnicodeError):  # Python encodes each host name before it looks it up
        text.encode("idna")
        return _NAME.fullmatch(text) is not None
    return False


def private_network(value: object) -> IPNetwork:
    """Parse a network of private, shared or loopback addresses. An address alone is a network of one."""
    try:
        network = ip_network(str(value))
    except ValueError:
        raise ValueError("must be a network such as 10.0.0.0/8 or fd12::/16") from None
    if not any(network[0] in private and network[-1] in private for private in _PRIVATE):
        raise ValueError("must be a network of private addresses, such as 10.0.0.0/8 or fd12::/16")
    return network


def base_url(text: str) -> str:
    """Return an address without the slash at its end."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("https", "http") and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(char in "@?#" or char.isspace() or not char.isprintable() for char in text):
        raise ValueError(
            "must be an address that begins with https:// or http://, with a host, and without user name, "
            "query (?), fragment (#) and spaces"
        )
    return text.rstrip("/")


def public_url(text: str) -> str:
    if WEBHOOK_PATH in text:
        raise ValueError(f"must be the address before {WEBHOOK_PATH}, which the bot adds")
    return base_url(text)


# Query parameters that asyncpg understands; it raises TypeError for any other.
_OPTIONS = frozenset({"ssl", "host", "port", "passfile", "service", "servicefile", "target_session_attrs"})


def database_url(secret: SecretStr) -> SecretStr:
    """Raise ValueError, with the expected format, for what isn't a database's URL."""
    text = secret.get_secret_value()
    if text.startswith("postgresql") and find_spec("asyncpg") is None:
        raise ValueError("needs the PostgreSQL driver. Install the bot with its extra [postgres]")
    try:
        url = make_url(text)
        is_file = url.host is None and url.database not in (None, "", ":memory:") and not url.query
        # An unencoded @ in the password ends it early: the rest is parsed as the host or, after a slash, as
        # the database.
        is_place = is_host(url.host or "localhost") and "@" not in (url.database or "")
        is_server = is_place and 0 < (url.port or 1) < 65536 and _OPTIONS.issuperset(url.query)
        valid = {"sqlite": is_file, "postgresql": is_server}.get(url.drivername, False)
    except (ArgumentError, ValueError):
        valid = False
    if not valid or "\0" in unquote(text):
        raise ValueError(
            "must be sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/NAME with special characters of "
            "the password percent-encoded: @ is %40, / is %2F, # is %23"
        )
    return secret


def _parts(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _is_word(value: SecretStr) -> bool:
    """Refuse what a header can't hold, quotes left by `docker --env-file`, and a placeholder like <token>."""
    text = value.get_secret_value()
    return text.isascii() and all(char.isprintable() and char not in " \"'<>" for char in text)


def _cased(change: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: change(value) if isinstance(value, str) else value)


Lower, Upper = _cased(str.lower), _cased(str.upper)
# One year: larger values are typing mistakes, and much larger ones overflow datetime.
YEAR = 366 * 24 * 3600
_Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1, le=2**53)]
Seconds = Annotated[int, Field(ge=1, le=YEAR)]
_once = AfterValidator(lambda values: tuple(dict.fromkeys(values)))
Ids = Annotated[tuple[_Id, ...], BeforeValidator(_parts), Field(min_length=1), _once]
ShardIds = Annotated[tuple[Annotated[int, Field(ge=0, le=999_999)], ...], BeforeValidator(_parts), _once]
PrivateNetworks = Annotated[
    tuple[Annotated[IPNetwork, BeforeValidator(private_network)], ...], BeforeValidator(_parts), _once
]
Roles = Annotated[frozenset[Role], BeforeValidator(_parts), Lower, Field(min_length=1)]
Secret = Annotated[
    SecretStr,
    that(
        _is_word,
        "must be one word of ASCII characters, without spaces or quotes, "
        "and without 'Bot' or 'Bearer' before it",
    ),
]
LongSecret = Annotated[
    SecretStr, that(lambda value: len(value.get_secret_value()) >= 16, "must have at least 16 characters")
]
Host = Annotated[str, that(is_host, "must be a host's name or an IP address")]
BaseUrl = Annotated[str, AfterValidator(base_url)]
PublicUrl = Annotated[str, AfterValidator(public_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(database_url)]
