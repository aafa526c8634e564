"""Check addresses before downloads connect to them, to prevent SSRF."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bot.domain.errors import MediaForbidden

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
AddressRule = Callable[[IPAddress], bool]

# `is_global` accepts these, at least in some Python versions. The last is Azure's wire server, which serves
# secrets.
_SPECIAL: Final = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "168.63.129.16/32")))
# Addresses of clouds' metadata services, which give credentials to any program that asks. Most are
# link-local. The others are Alibaba's (first in each tuple), Azure's, and over IPv6 AWS's, Google's, Oracle's
# and Scaleway's.
_METADATA_V4: Final = tuple(map(ip_network, ("100.100.100.200/32", "168.63.129.16/32")))
_METADATA_PREFIXES: Final = ("fd00:100", "fd00:ec2", "fd20:ce", "fd00:c1", "fd00:42", "fd00:a9fe:a9fe")
_METADATA_V6: Final = tuple(ip_network(f"{prefix}::/64") for prefix in _METADATA_PREFIXES)
_UNICAST: Final = ip_network("2000::/3")
_NAT64: Final = ip_network("64:ff9b::/96")


def is_public(address: IPAddress) -> bool:
    """Return whether an address is on the public internet.

    An IPv6 address with a zone isn't public. If an IPv6 address embeds an IPv4 address, the embedded address
    is checked.
    """
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        inner = _embedded(address)
        if inner is not None:
            return is_public(inner)
        if address not in _UNICAST:
            return False
    special = address.is_multicast or any(address in network for network in _SPECIAL)
    return address.is_global and not special


def public_or_in(networks: Iterable[IPNetwork]) -> AddressRule:
    """Return a rule that also allows the addresses of private `networks`, but no metadata service in them."""
    private = tuple(networks)

    def allows(address: IPAddress) -> bool:
        if isinstance(address, IPv6Address):
            address = _embedded(address) or address
        listed = any(address in network for network in private) and not _is_metadata(address)
        return listed or is_public(address)

    return allows


def _is_metadata(address: IPAddress) -> bool:
    """Return whether a cloud's metadata service may have this address.

    The last 32 bits of an IPv6 address count, too, because a network may translate its own prefix to IPv4.
    """
    if isinstance(address, IPv6Address):
        if address.is_link_local or any(address in network for network in _METADATA_V6):
            return True
        address = IPv4Address(int(address) & 0xFFFFFFFF)
    return address.is_link_local or any(address in network for network in _METADATA_V4)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address into which a gateway or the kernel would translate `address`, or None."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def check_url(url: URL, allows: AddressRule) -> None:
    """Raise MediaForbidden unless `url` may be opened. Host names are checked when they are resolved."""
    if url.scheme not in ("http", "https"):
        raise MediaForbidden(f"scheme {url.scheme!r}")
    if url.user is not None or url.password is not None:
        raise MediaForbidden("user name or password in the address")
    host = (url.host or "").rstrip(".")
    if not host:
        raise MediaForbidden("no host")
    try:
        address = ip_address(host)
    except ValueError:
        # No top-level domain begins with a digit, so the last label tells a number from a name (WHATWG URL).
        if not host.rpartition(".")[2][:1].isdigit():
            return
        try:
            # Addresses are also spelled as in `2130706433` and `0x7f.1`.
            address = IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            raise MediaForbidden(f"host {host!r} is neither a name nor an address") from None
    if not allows(address):
        raise MediaForbidden(f"address {address}")


class GuardedResolver(AbstractResolver):
    """Checks the addresses of a name at the moment of connecting, which defeats DNS rebinding.

    If one of a name's addresses is forbidden, the name is refused, because an honest host doesn't have both
    public and private addresses. aiohttp never asks a resolver about literal addresses; `check_url` checks
    those.
    """

    def __init__(self, inner: AbstractResolver, allows: AddressRule) -> None:
        self._inner = inner
        self._allows = allows

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        answers = await self._inner.resolve(host, port, family)
        for answer in answers:
            if not self._allows(ip_address(answer["host"])):
                raise MediaForbidden(f"{host} resolves to {answer['host']}")
        return answers

    async def close(self) -> None:
        await self._inner.close()
