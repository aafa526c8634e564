"""Addresses that may be opened: by number, by URL, and by the resolved name."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bot.delivery.media.ssrf import GuardedResolver, check_url, is_public, is_public_or_private
from bot.domain.errors import MediaForbidden

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
NEVER = [
    "0.0.0.0",  # noqa: S104  # judged here, nothing is bound to it
    "0.1.2.3", "169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192",
    "192.88.99.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254%1", "fd20:ce::254%eth0", "2606:4700:4700::1111%1",
    "fec0::1", "ff02::1", "fd00:ec2::254", "fd20:ce::254", "100::1",
    "2001:db8::1", "2001:0:7f00:1::1", "3fff::1", "5f00::1", "::7f00:1", "64:ff9b:1::7f00:1",
    "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::ffff:0:127.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize(
    ("addresses", "public", "self_hosted"),
    [
        pytest.param(PUBLIC, True, True, id="public"),
        pytest.param(PRIVATE, False, True, id="private"),
        pytest.param(NEVER, False, False, id="metadata and special"),
    ],
)
def test_public_addresses_are_open_and_private_ones_only_for_self_hosted_machines(
    addresses: list[str], public: bool, self_hosted: bool
) -> None:
    for address in addresses:
        ip = ip_address(address)
        assert (is_public(ip), is_public_or_private(ip)) == (public, self_hosted), address


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.0.0.1./", "http://2130706433/", "http://0x7f.1/", "http://0x7f000001/",
        "http://0177.0.0.1/", "http://127.1/", "http://0/", "http://[::1]/", "http://[::ffff:7f00:1]/",
        "http://[::ffff:127.0.0.1]/", "http://[fe80::1%25eth0]/", "http://[::1%25X]/",
        "http://[::ffff:8.8.8.8%251]/", "http://[2002:808:808::1%25eth0]/",
        "http://\uff11\uff12\uff17.0.0.1/", "http://127\u30020\u30020\u30021/",
        "http://169.254.169.254/latest/meta-data", "http://0xa9fea9fe/", "http://example.0x7f/",
        "http://1.2.3.999/",
        "ftp://example.com/a",
        "file:///etc/passwd", "data:image/png;base64,AAAA", "gopher://example.com/", "/a.png",
        "javascript:alert(1)", "http:///a.png", "http://user@example.com/", "http://user:pw@example.com/",
        "http://:pw@example.com/", "",
    ],
)  # fmt: skip
def test_a_private_or_malformed_url_is_not_opened(url: str) -> None:
    with pytest.raises(MediaForbidden):
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


class Answers(AbstractResolver):
    """A resolver that records its questions."""

    def __init__(self, *addresses: str) -> None:
        self.asked: list[tuple[str, int, socket.AddressFamily]] = []
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 5, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append((host, port, family))
        plain = {"hostname": host, "port": port, "family": family, "proto": 0, "flags": 0}
        return [ResolveResult(host=address, **plain) for address in self._addresses]  # type: ignore[typeddict-item]

    async def close(self) -> None:
        return None


async def test_a_name_is_resolved_to_both_families_unless_one_is_given() -> None:
    inner = Answers("8.8.8.8", "2606:4700::1")
    locked = GuardedResolver(inner, is_public)
    assert [found["host"] for found in await locked.resolve("cdn.test")] == ["8.8.8.8", "2606:4700::1"]
    await locked.resolve("cdn.test", 443, socket.AF_INET6)
    assert inner.asked == [("cdn.test", 0, socket.AF_UNSPEC), ("cdn.test", 443, socket.AF_INET6)]


@pytest.mark.parametrize("addresses", [("10.0.0.1",), ("8.8.8.8", "10.0.0.1")])
async def test_one_forbidden_address_forbids_the_name(addresses: tuple[str, ...]) -> None:
    with pytest.raises(MediaForbidden):
        await GuardedResolver(Answers(*addresses), is_public).resolve("cdn.test")


def test_a_self_hosted_machine_still_needs_http() -> None:
    check_url(URL("http://192.168.1.5:8188/view?filename=a.png"), is_public_or_private)
    with pytest.raises(MediaForbidden):
        check_url(URL("ftp://192.168.1.5/"), is_public_or_private)
