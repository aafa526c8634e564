"""Addresses and hosts that something would stumble over later."""

from __future__ import annotations

import pytest

from tests.unit.config.environment import load, mistakes

HOST = "name a host after //: a name such as bot.example.com, an IP address, or [::1]"
PORT = "have a port from 1 to 65535 after the host, or none"
NO_HOSTS = ["bot..example.com", ".example.com", f"{'a' * 64}.example.com", "a|b", "."]


@pytest.mark.parametrize("host", [*NO_HOSTS, "0.0.0..0", "[::1]", "localhost:8080", "a b", "a\0b"])
def test_a_host_to_listen_on(host: str) -> None:
    told = "WEB_HOST must be a host's name or an IP address, not "
    (sentence,) = mistakes(WEB_HOST=host)
    assert sentence.startswith(told)


@pytest.mark.parametrize("host", ["::", "127.0.0.1", "localhost", "bot_1", "bücher.example", "example.com."])
def test_hosts_that_can_be(host: str) -> None:
    assert load(WEB_HOST=host).web_host == host
    place = f"[{host}]" if ":" in host else host
    assert load(PUBLIC_URL=f"https://{place}:8443/").public_url == f"https://{place}:8443"


@pytest.mark.parametrize("name", ["PUBLIC_URL", "COMFYDEPLOY_API_URL"])
@pytest.mark.parametrize(
    ("address", "rule"),
    [
        *((f"https://{host}/api", HOST) for host in NO_HOSTS),
        ("https://", HOST),
        ("https://:8080", HOST),
        ("https://[::1", HOST),
        ("https://::1", HOST),
        ("https://h:x/", PORT),
        ("https://h:0", PORT),
        ("http://localhost:99999", PORT),
        ("https://a b", "be an address without spaces"),
    ],
)
def test_what_is_wrong_with_an_address_is_named(name: str, address: str, rule: str) -> None:
    assert mistakes(**{name: address}) == (f"{name} must {rule}.",)


@pytest.mark.parametrize("rest", ["", "/", "/ping"])
def test_the_webhooks_path_is_not_taken_twice(rest: str) -> None:
    found = mistakes(PUBLIC_URL=f"https://bot.example.com/a/webhooks/comfydeploy{rest}")
    assert found == (
        "PUBLIC_URL must be the address before /webhooks/comfydeploy, which the bot adds: "
        "'https://bot.example.com/a'.",
    )
