"""Addresses that may be opened: by number, by URL, and by the resolved name."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bot.domain.errors import MediaForbidden
from bot.media.ssrf import check_url, is_public, public_or_in

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
PRIVATE = [
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "127.0.0.1", "127.9.9.9",
    "::1", "fc00::1", "fd12:3456::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1",
]  # fmt: skip
SPECIAL = [
    "0.0.0.0",  # noqa: S104  # judged here, nothing is bound to it
    "0.1.2.3", "192.0.0.192", "192.88.99.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255", "::", "2606:4700:4700::1111%1", "fec0::1", "ff02::1", "100::1",
    "2001:db8::1", "2001:0:7f00:1::1", "3fff::1", "5f00::1", "::7f00:1", "64:ff9b:1::7f00:1",
    "::ffff:0:127.0.0.1",
]  # fmt: skip
# Metadata services: over IPv4, in other spellings of IPv4, over IPv6, and through a network's own NAT64.
METADATA = [
    "169.254.169.254", "169.254.170.2", "169.254.0.1", "100.100.100.200", "168.63.129.16",
    "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::ffff:100.100.100.200",
    "64:ff9b::6464:64c8", "2002:6464:64c8::1", "::169.254.169.254", "::ffff:0:169.254.169.254",
    "fe80::1", "fe80::1%eth0", "fe80::a9fe:a9fe", "fd00:ec2::254", "fd00:ec2::254%1", "fd00:ec2::23",
    "fd20:ce::254", "fd20:ce::254%eth0", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:a9fe:a9fe::1",
    "fd00:100::100:200", "fd12::a9fe:a9fe", "fd12::169.254.170.2", "fd12::5efe:a9fe:a9fe",
    "fd12::100.100.100.200", "fd12::168.63.129.16",
]  # fmt: skip
PRIVATE_V4 = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")
PRIVATE_RANGES = tuple(map(ip_network, (*PRIVATE_V4, "fc00::/7", "::1/128")))


@pytest.mark.parametrize(
    ("addresses", "public", "listed"),
    [
        pytest.param(PUBLIC, True, True, id="public"),
        pytest.param(PRIVATE, False, True, id="private"),
        pytest.param(SPECIAL, False, False, id="special"),
        pytest.param(METADATA, False, False, id="metadata"),
    ],
)
def test_public_addresses_are_open_and_private_ones_only_in_listed_networks(
    addresses: list[str], public: bool, listed: bool
) -> None:
    in_private_ranges = public_or_in(PRIVATE_RANGES)
    for address in addresses:
        ip = ip_address(address)
        assert (is_public(ip), public_or_in(())(ip), in_private_ranges(ip)) == (public, public, listed), (
            address
        )


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_judged_like_the_address_itself(address: IPv4Address) -> None:
    """A gateway or the kernel would translate each of these spellings to the IPv4 address."""
    six_to_four = IPv6Address(0x2002 << 112 | int(address) << 80)
    spellings = (IPv6Address(f"::ffff:{address}"), IPv6Address(f"64:ff9b::{address}"), six_to_four)
    for rule in (is_public, public_or_in(PRIVATE_RANGES)):
        assert {rule(each) for each in spellings} == {rule(address)}


def test_no_metadata_service_is_open_whatever_is_listed() -> None:
    rule = public_or_in(map(ip_network, ("0.0.0.0/0", "::/0")))
    assert [address for address in METADATA if rule(ip_address(address))] == []


# By the reason for which they are not opened.
CLOSED = {
    "address ": [
        "http://127.0.0.1/", "http://127.0.0.1./", "http://2130706433/", "http://0x7f.1/", "http://0x7f000001/",
        "http://0177.0.0.1/", "http://127.1/", "http://0/", "http://[::1]/", "http://[::ffff:7f00:1]/",
        "http://[::ffff:127.0.0.1]/", "http://[fe80::1%25eth0]/", "http://[::1%25X]/",
        "http://[::ffff:8.8.8.8%251]/", "http://[2002:808:808::1%25eth0]/",
        "http://\uff11\uff12\uff17.0.0.1/", "http://127\u30020\u30020\u30021/",
        "http://169.254.169.254/latest/meta-data", "http://0xa9fea9fe/",
    ],
    "host '.*' is neither a name nor an address": ["http://example.0x7f/", "http://1.2.3.999/"],
    "scheme '": [
        "ftp://example.com/a", "file:///etc/passwd", "data:image/png;base64,AAAA", "gopher://example.com/",
        "/a.png", "javascript:alert(1)", "",
    ],
    "no host": ["http:///a.png"],
    "user name or password": ["http://user@example.com/", "http://user:pw@example.com/", "http://:pw@example.com/"],
}  # fmt: skip


@pytest.mark.parametrize("reason", CLOSED)
def test_a_private_or_malformed_url_is_not_opened(reason: str) -> None:
    for url in CLOSED[reason]:
        with pytest.raises(MediaForbidden, match=f"^{reason}"):
            check_url(URL(url), is_public)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png?sig=1", "http://example.com:8080/", "https://8.8.8.8/a",
        "http://134744072/", "http://0x8.8.8.8/", "http://[2606:4700::1]/",
    ],
)  # fmt: skip
def test_a_public_http_url_is_opened(url: str) -> None:
    check_url(URL(url), is_public)
